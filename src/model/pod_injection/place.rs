//! Where names of Secrets and variables stand in a pod.

use std::fmt;

/// One place of a pod that names a Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use<'p> {
    /// Where it stands.
    pub place: Place<'p>,
    /// Name of the Secret.
    pub secret: &'p str,
    /// Whether the pod starts without it.
    pub optional: bool,
}

/// Where the name of a Secret stands; `Display` is for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'p> {
    /// `env[].valueFrom.secretKeyRef.name`.
    Variable {
        /// The container.
        container: ContainerPlace<'p>,
        /// Index of the variable.
        index: usize,
        /// Name of the variable.
        name: &'p str,
    },
    /// `envFrom[].secretRef.name`.
    Variables {
        /// The container.
        container: ContainerPlace<'p>,
        /// Index in `envFrom`.
        index: usize,
    },
    /// A volume.
    Volume {
        /// Index of the volume.
        index: usize,
        /// Name of the volume.
        name: &'p str,
        /// Which of its fields.
        part: VolumePart,
    },
    /// `imagePullSecrets[].name`.
    PullSecret {
        /// Index of the pull secret.
        index: usize,
    },
}

/// A variable of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerVariable<'p> {
    /// Its name.
    pub name: &'p str,
    /// Its value, where it has one of its own.
    pub value: Option<&'p str>,
    /// Name and key of the Secret it is read from.
    pub secret: Option<(&'p str, &'p str)>,
    /// Whether it is read from anything, which excludes a value of its own.
    pub has_source: bool,
}

/// Names a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContainerPlace<'p> {
    pub(super) list: &'static str,
    pub(super) index: usize,
    pub(super) name: &'p str,
}

/// A field of a volume that names a Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VolumePart {
    /// `secret.secretName`.
    Secret,
    /// `projected.sources[].secret.name`.
    Projected(usize),
    /// `csi.nodePublishSecretRef.name`.
    Csi,
}

impl ContainerPlace<'_> {
    /// JSON Pointer (RFC 6901) to the container.
    #[must_use]
    pub fn pointer(&self) -> String {
        joined(&["spec", self.list, &self.index.to_string()])
    }
}

impl Place<'_> {
    /// JSON Pointer (RFC 6901) to the name.
    #[must_use]
    pub fn pointer(&self) -> String {
        match self {
            Self::Variable {
                container, index, ..
            } => {
                let (at, index) = (container.index.to_string(), index.to_string());
                let variable = ["spec", container.list, &at, "env", &index];
                joined(&[&variable[..], &["valueFrom", "secretKeyRef", "name"]].concat())
            }
            Self::Variables { container, index } => {
                let (at, index) = (container.index.to_string(), index.to_string());
                joined(&[
                    "spec",
                    container.list,
                    &at,
                    "envFrom",
                    &index,
                    "secretRef",
                    "name",
                ])
            }
            Self::Volume { index, part, .. } => {
                let index = index.to_string();
                let volume = ["spec", "volumes", &index];
                match part {
                    VolumePart::Secret => {
                        joined(&[&volume[..], &["secret", "secretName"]].concat())
                    }
                    VolumePart::Projected(source) => {
                        let source = source.to_string();
                        let field = ["projected", "sources", &source, "secret", "name"];
                        joined(&[&volume[..], &field].concat())
                    }
                    VolumePart::Csi => {
                        joined(&[&volume[..], &["csi", "nodePublishSecretRef", "name"]].concat())
                    }
                }
            }
            Self::PullSecret { index } => {
                joined(&["spec", "imagePullSecrets", &index.to_string(), "name"])
            }
        }
    }
}

/// A JSON Pointer of these parts, none of which needs escapes. Formatting would cost a review more than
/// most of what it does else.
fn joined(parts: &[&str]) -> String {
    let mut pointer = String::with_capacity(64);
    for part in parts {
        pointer.push('/');
        pointer.push_str(part);
    }
    pointer
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable {
                container, name, ..
            } => write!(f, "{container}, env {name}"),
            Self::Variables { container, index } => write!(f, "{container}, envFrom[{index}]"),
            Self::Volume { name, .. } => write!(f, "volume {name}"),
            Self::PullSecret { index } => write!(f, "imagePullSecrets[{index}]"),
        }
    }
}

impl fmt::Display for ContainerPlace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "container {}", self.name)
    }
}
