//! Changes of fetched keys.

use regex::Regex;

use crate::secret::SecretMap;

/// One change of keys, applied to every key of an entry.
#[derive(Clone, Debug)]
pub enum Rewrite {
    /// Replaces what the expression finds; `$1` and `${name}` stand for groups.
    Regexp {
        /// RE2 expression.
        source: Regex,
        /// Replacement.
        target: String,
    },
}

/// Applies `rewrites` in order.
///
/// # Errors
/// When two keys become the same one; ESO lets one of them win at random.
pub fn apply(mut map: SecretMap, rewrites: &[Rewrite]) -> Result<SecretMap, String> {
    for (position, rewrite) in rewrites.iter().enumerate() {
        let Rewrite::Regexp { source, target } = rewrite;
        let mut rewritten = SecretMap::new();
        for (key, value) in map {
            let new = source.replace_all(&key, target.as_str()).into_owned();
            if rewritten.get(&new).is_some() {
                return Err(format!(
                    "failed rewrite operation[{position}]: two keys become {new:?}"
                ));
            }
            rewritten.insert(new, value);
        }
        map = rewritten;
    }
    Ok(map)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretBytes;

    fn rewrite(source: &str, target: &str, keys: &[&str]) -> Result<Vec<String>, String> {
        let map = keys
            .iter()
            .map(|key| ((*key).to_owned(), SecretBytes::from("v")))
            .collect();
        let rewrite = Rewrite::Regexp {
            source: Regex::new(source).unwrap(),
            target: target.to_owned(),
        };
        apply(map, &[rewrite]).map(|map| map.keys().map(str::to_owned).collect())
    }

    #[test]
    fn groups_are_replaced() {
        let keys = rewrite(
            "path/(.+)/(?P<last>.+)",
            "${last}-$1",
            &["path/a/b", "other"],
        )
        .unwrap();
        assert_eq!(keys, ["b-a", "other"]);
    }

    #[test]
    fn two_keys_that_become_one_are_an_error() {
        assert!(rewrite(".*", "same", &["a", "b"]).is_err());
    }
}
