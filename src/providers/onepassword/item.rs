//! Items, and what of them is asked for. Pure.

use std::collections::BTreeMap;

use crate::model::remote::Find;
use crate::secret::SecretBytes;
use crate::secret::json::Json;

/// The field that is meant where none is named, as in ESO.
pub(super) const DEFAULT_FIELD: &str = "password";

/// An item in the list of a vault.
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) title: String,
    tags: Vec<String>,
}

impl Entry {
    pub(super) fn parse(json: &Json) -> Option<Self> {
        let tags = match json.member("tags") {
            Some(Json::List(tags)) => tags.iter().filter_map(Json::as_str).collect(),
            _ => Vec::new(),
        };
        Some(Self {
            id: json.member_str("id")?.to_owned(),
            title: json.member_str("title").unwrap_or_default().to_owned(),
            tags: tags.into_iter().map(str::to_owned).collect(),
        })
    }

    /// Whether a search wants the item: the path is its title, the keys of tags are its tags.
    pub(super) fn matches(&self, find: &Find) -> bool {
        let path = find.path.as_deref().unwrap_or_default();
        (path.is_empty() || path == self.title)
            && find.tags.keys().all(|tag| self.tags.contains(tag))
    }
}

/// The field or file that a property names.
pub(super) struct Wanted<'a> {
    /// `None` leaves it to the item's category.
    files: Option<bool>,
    /// Empty is every one.
    pub(super) name: &'a str,
}

impl<'a> Wanted<'a> {
    /// Of `field/<label>`, `file/<name>` or a bare name; `default` is the field of an empty property.
    pub(super) fn parse(property: &'a str, default: &'a str) -> Self {
        if let Some(name) = property.strip_prefix("field/") {
            let files = Some(false);
            return Self { files, name };
        }
        if let Some(name) = property.strip_prefix("file/") {
            let files = Some(true);
            return Self { files, name };
        }
        Self {
            files: None,
            name: if property.is_empty() {
                default
            } else {
                property
            },
        }
    }

    /// Whether files are meant, not fields.
    pub(super) fn is_file(&self, item: &Item) -> bool {
        self.files.unwrap_or_else(|| item.is_document())
    }

    fn is(&self, name: &str) -> bool {
        self.name.is_empty() || self.name == name
    }
}

/// What is left of an item without a field.
pub(super) enum Left {
    /// All of it: it has no such field.
    All,
    Item(Json),
    /// No field with a value, and no file.
    Nothing,
}

/// A whole item as the server gives it.
pub(super) struct Item(Json);

impl Item {
    pub(super) fn new(json: Json) -> Self {
        Self(json)
    }

    fn is_document(&self) -> bool {
        self.0.member_str("category") == Some("DOCUMENT")
    }

    fn list(&self, name: &str) -> &[Json] {
        match self.0.member(name) {
            Some(Json::List(items)) => items,
            _ => &[],
        }
    }

    /// Label and value of the fields that are wanted; a field without label goes by its id.
    pub(super) fn fields(&self, wanted: &Wanted<'_>) -> Vec<(String, SecretBytes)> {
        let named = self.list("fields").iter().filter_map(|field| {
            let label = field.member_str("label").filter(|label| !label.is_empty());
            let label = label.or_else(|| field.member_str("id"))?;
            let value = field.member("value").map(Json::to_content);
            let value = value.unwrap_or_else(|| SecretBytes::new(Vec::new()));
            wanted.is(label).then(|| (label.to_owned(), value))
        });
        named.collect()
    }

    /// Name and id of the files that are wanted; the field that is meant by default is any file here.
    pub(super) fn files(&self, wanted: &Wanted<'_>) -> Vec<(String, String)> {
        let is_any = wanted.files.is_none() && wanted.name == DEFAULT_FIELD;
        let named = self.list("files").iter().filter_map(|file| {
            let name = file.member_str("name")?;
            let id = file.member_str("id")?;
            (is_any || wanted.is(name)).then(|| (name.to_owned(), id.to_owned()))
        });
        named.take(if is_any { 1 } else { usize::MAX }).collect()
    }

    /// The item with a field set; `None` where it is so already.
    pub(super) fn with_field(&self, label: &str, value: &SecretBytes) -> Option<Json> {
        let mut fields: Vec<Json> = self.list("fields").iter().map(Json::duplicate).collect();
        let old = fields
            .iter_mut()
            .find(|field| field.member_str("label") == Some(label));
        match old {
            Some(Json::Object(members)) => {
                let value = Json::Text(value.duplicate());
                if members.get("value") == Some(&value) {
                    return None;
                }
                members.insert("value".to_owned(), value);
            }
            _ => fields.push(field(label, value)),
        }
        Some(self.with_fields(fields))
    }

    /// What a field leaves behind.
    pub(super) fn without_field(&self, label: &str) -> Left {
        let all = self.list("fields");
        let left = all
            .iter()
            .filter(|field| field.member_str("label") != Some(label));
        let left: Vec<Json> = left.map(Json::duplicate).collect();
        if left.len() == all.len() {
            return Left::All;
        }
        let has_content = |field: &Json| field.member_str("value").is_some_and(|v| !v.is_empty());
        if !left.iter().any(has_content) && self.list("files").is_empty() {
            return Left::Nothing;
        }
        Left::Item(self.with_fields(left))
    }

    fn with_fields(&self, fields: Vec<Json>) -> Json {
        let mut item = self.0.duplicate();
        if let Json::Object(members) = &mut item {
            members.insert("fields".to_owned(), Json::List(fields));
        }
        item
    }
}

/// A new item, of the category that ESO makes.
pub(super) fn new(
    vault: &str,
    title: &str,
    tags: &[String],
    label: &str,
    value: &SecretBytes,
) -> Json {
    let mut members = BTreeMap::new();
    members.insert("title".to_owned(), Json::Text(title.into()));
    members.insert("category".to_owned(), Json::Text("SERVER".into()));
    members.insert("vault".to_owned(), Json::texts([("id", vault)]));
    members.insert("fields".to_owned(), Json::List(vec![field(label, value)]));
    if !tags.is_empty() {
        let tags = tags.iter().map(|tag| Json::Text(tag.as_str().into()));
        members.insert("tags".to_owned(), Json::List(tags.collect()));
    }
    Json::Object(members)
}

fn field(label: &str, value: &SecretBytes) -> Json {
    let members = [
        ("label", label.into()),
        ("type", "CONCEALED".into()),
        ("value", value.duplicate()),
    ];
    Json::texts(members)
}
