//! The list of imports.

use super::super::path::join;
use super::super::yaml::{Kind as Yaml, Node};
use super::{Import, Parser};

impl Parser {
    /// The entries that can be understood; the others are reported.
    pub(super) fn imports(&mut self, node: Node) -> Vec<Import> {
        let items = match node.kind {
            Yaml::List(items) => items,
            Yaml::Null => return Vec::new(),
            _ => {
                self.error_at("imports must be a list", "imports".to_owned(), node.span);
                return Vec::new();
            }
        };
        let mut imports = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            imports.extend(self.import(item.node, format!("imports[{index}]")));
        }
        imports
    }

    fn import(&mut self, node: Node, path: String) -> Option<Import> {
        let span = node.span;
        let mut merge = true;
        let (name, name_span) = match node.kind {
            Yaml::String(name) => (name, span),
            Yaml::Object(mut members) if members.len() == 1 => {
                let member = members.remove(0);
                let path = join(&path, &member.key);
                merge = self.merge_flag(&member.value, &path)?;
                (member.key, member.key_node.span)
            }
            Yaml::Object(_) => {
                self.error_at("import must have a single key", path, span);
                return None;
            }
            _ => {
                self.error_at("import must be a string or an object", path, span);
                return None;
            }
        };
        Some(Import {
            name,
            name_span,
            span,
            path,
            merge,
        })
    }

    fn merge_flag(&mut self, meta: &Node, path: &str) -> Option<bool> {
        let members = match &meta.kind {
            Yaml::Null => return Some(true),
            Yaml::Object(members) => members,
            _ => {
                self.error_at("import must be an object", path.to_owned(), meta.span);
                return None;
            }
        };
        let Some(merge) = members
            .iter()
            .rev()
            .find(|member| member.key.eq_ignore_ascii_case("merge"))
        else {
            return Some(true);
        };
        let Yaml::Bool(flag) = merge.value.kind else {
            let path = join(path, &merge.key);
            self.error_at("merge must be a boolean value", path, merge.value.span);
            return None;
        };
        Some(flag)
    }
}
