//! Which objects and properties a store's rules let through. Pure.

use regex::Regex;

use crate::api::v1::CrdWhitelistRule;

/// Rules of which one must match; without any, everything does.
#[derive(Debug)]
pub(super) struct Whitelist {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    name: Option<Regex>,
    namespace: Option<Regex>,
    properties: Vec<Property>,
}

/// What a property may be.
#[derive(Debug)]
struct Property {
    /// Searched in a plain path.
    anywhere: Regex,
    /// For a path that selects, joins or changes parts: it could hold the rule's text beside more.
    whole: Regex,
}

impl Whitelist {
    /// Reads the rules.
    ///
    /// # Errors
    /// Names the rule and what is wrong with it.
    pub(super) fn new(rules: &[CrdWhitelistRule]) -> Result<Self, String> {
        let rules = rules.iter().enumerate().map(|(index, rule)| {
            Rule::new(rule).map_err(|wrong| format!("whitelist.rules[{index}]{wrong}"))
        });
        Ok(Self {
            rules: rules.collect::<Result<_, _>>()?,
        })
    }

    /// Whether a property of an object may be read, or all of it where `property` is empty;
    /// `namespace` is empty for kinds without.
    pub(super) fn allows(&self, namespace: &str, name: &str, property: &str) -> bool {
        self.rules.is_empty()
            || self
                .rules
                .iter()
                .any(|rule| rule.allows(namespace, name, property))
    }
}

impl Rule {
    fn new(rule: &CrdWhitelistRule) -> Result<Self, String> {
        let set = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let compiled = |field: &str, text: &str| {
            Regex::new(text).map_err(|error| format!(".{field}: {error}"))
        };
        let single = |field: &str, text: &Option<String>| {
            let text = set(text);
            text.map(|text| compiled(field, &text)).transpose()
        };
        let name = single("name", &rule.name)?;
        let namespace = single("namespace", &rule.namespace)?;
        let properties = rule.properties.iter().enumerate().map(|(index, text)| {
            let field = format!("properties[{index}]");
            Ok(Property {
                anywhere: compiled(&field, text)?,
                whole: compiled(&field, &format!("^(?:{text})$"))?,
            })
        });
        let properties: Vec<_> = properties.collect::<Result<_, String>>()?;
        if name.is_none() && namespace.is_none() && properties.is_empty() {
            return Err(": name, namespace or properties must be set".to_owned());
        }
        Ok(Self {
            name,
            namespace,
            properties,
        })
    }

    fn allows(&self, namespace: &str, name: &str, property: &str) -> bool {
        let matches = |rule: &Option<Regex>, text: &str| {
            let rule = rule.as_ref();
            rule.is_none_or(|rule| rule.is_match(text))
        };
        matches(&self.name, name)
            && matches(&self.namespace, namespace)
            && (self.properties.is_empty()
                || (!property.is_empty()
                    && self.properties.iter().any(|rule| rule.allows(property))))
    }
}

impl Property {
    fn allows(&self, property: &str) -> bool {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/:\\".contains(&byte);
        if property.bytes().all(is_plain) {
            self.anywhere.is_match(property)
        } else {
            self.whole.is_match(property)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn whitelist(rules: Value) -> Result<Whitelist, String> {
        let rules: Vec<CrdWhitelistRule> = serde_json::from_value(rules).unwrap();
        Whitelist::new(&rules)
    }

    #[test]
    fn one_rule_must_match_in_all_that_it_says() {
        let all = whitelist(json!([])).unwrap();
        assert!(all.allows("a", "b", ""));
        let rules = whitelist(json!([
            {"name": "^app-"},
            {"name": "^team-", "namespace": "^prod$", "properties": ["^spec\\.user$", "^spec\\.pass$"]},
        ]))
        .unwrap();
        assert!(rules.allows("any", "app-1", ""));
        assert!(rules.allows("any", "app-1", "spec.token"));
        assert!(rules.allows("prod", "team-1", "spec.pass"));
        assert!(!rules.allows("dev", "team-1", "spec.pass"));
        assert!(!rules.allows("prod", "team-1", "spec.token"));
        assert!(!rules.allows("prod", "other", "spec.pass"));
    }

    #[test]
    fn a_rule_for_properties_lets_no_whole_object_through() {
        let rules = whitelist(json!([{"properties": ["spec"]}])).unwrap();
        assert!(rules.allows("", "a", "spec.pass"));
        assert!(!rules.allows("", "a", ""));
    }

    #[test]
    fn a_path_that_joins_parts_must_match_in_full() {
        let rules = whitelist(json!([{"properties": ["spec\\.user"]}])).unwrap();
        assert!(rules.allows("", "a", "spec.user"));
        for path in [
            "{spec.user,spec.pass}",
            "[spec.user,spec.pass]",
            "spec.user|@this",
            "spec.user\n",
        ] {
            assert!(!rules.allows("", "a", path), "{path}");
        }
        let rules = whitelist(json!([{"properties": ["^status\\.#\\(key==\"a\"\\)\\.v$"]}]));
        assert!(rules.unwrap().allows("", "a", "status.#(key==\"a\").v"));
    }

    #[test]
    fn a_rule_that_says_nothing_or_nonsense_is_refused_by_its_place() {
        let wrong = |rules| whitelist(rules).unwrap_err();
        let empty = wrong(json!([{"name": "a"}, {"name": ""}]));
        assert!(empty.starts_with("whitelist.rules[1]: name, namespace or"));
        let broken = wrong(json!([{"properties": ["a", "("]}]));
        assert!(broken.starts_with("whitelist.rules[0].properties[1]: "));
        let broken = wrong(json!([{"namespace": "["}]));
        assert!(broken.starts_with("whitelist.rules[0].namespace: "));
    }
}
