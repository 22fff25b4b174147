//! Which controller serves an object, by its `spec.controller`.

/// Class of a controller that is told none (ESO 2.9.0).
const DEFAULT: &str = "default";

/// The stores and generators that a controller serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControllerClass {
    name: String,
    is_explicit: bool,
}

impl ControllerClass {
    /// The class `name`; objects that name no class belong to it as well, as ESO has it.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            is_explicit: false,
        }
    }

    /// The class `name`; objects that name no class are left to another controller, so that both can run
    /// in one cluster.
    #[must_use]
    pub fn explicit(name: impl Into<String>) -> Self {
        Self {
            is_explicit: true,
            ..Self::new(name)
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether objects that name no class are left to another controller.
    #[must_use]
    pub fn is_explicit(&self) -> bool {
        self.is_explicit
    }

    /// Whether an object with this `spec.controller` is served.
    #[must_use]
    pub fn serves(&self, named: Option<&str>) -> bool {
        match named.unwrap_or_default() {
            "" => !self.is_explicit,
            named => named == self.name,
        }
    }
}

impl Default for ControllerClass {
    fn default() -> Self {
        Self::new(DEFAULT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_without_a_class_belongs_to_everybody_unless_a_class_must_be_named() {
        let class = ControllerClass::new("a");
        assert!(class.serves(None) && class.serves(Some("")) && class.serves(Some("a")));
        assert!(!class.serves(Some("b")));
        let explicit = ControllerClass::explicit("a");
        assert!(explicit.serves(Some("a")));
        assert!(
            !explicit.serves(None) && !explicit.serves(Some("")) && !explicit.serves(Some("b"))
        );
    }
}
