//! Whole reviews.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use latchkey::admission::Path;
use serde_json::Value;

use crate::admission_world::{World, pod, review, world};
use crate::chance::Chance;
use crate::corpus::{OBJECTS, PODS};
use crate::{Finding, Tried, mutate, patches};

const LIMIT: Duration = Duration::from_secs(4);

/// The webhook and what it is fed with.
pub(crate) struct Target {
    world: World,
    pods: Vec<Value>,
    objects: Vec<(&'static str, Value)>,
}

/// An answer, checked as far as any answer can be.
struct Answer {
    is_allowed: bool,
    patch: Option<Value>,
}

impl Target {
    pub(crate) fn new() -> Self {
        let world = world();
        world.know(|tables| {
            let secret = "payments-api".to_owned();
            tables.targets.insert(secret.clone(), secret);
        });
        let objects = OBJECTS.iter().map(|(resource, yaml)| {
            let object = serde_saphyr::from_str(yaml).expect("the object must be YAML");
            (*resource, object)
        });
        Self {
            world,
            pods: PODS.iter().map(|yaml| pod(yaml)).collect(),
            objects: objects.collect(),
        }
    }

    pub(crate) async fn attempt(&self, chance: &mut Chance) -> Tried {
        match chance.below(8) {
            0 => self.broken(chance).await,
            1 | 2 => self.validated(chance).await,
            3 | 4 => self.updated(chance).await,
            _ => self.created(chance).await,
        }
    }

    fn pod(&self, chance: &mut Chance) -> Value {
        let mut pod = chance.pick(&self.pods).clone();
        for _ in 0..chance.below(6) {
            mutate::tree(chance, &mut pod);
        }
        pod
    }

    async fn created(&self, chance: &mut Chance) -> Tried {
        let pod = self.pod(chance);
        let mut patched = pod.clone();
        let first = self.send("CREATE", &mut patched, &Value::Null).await?;
        if !first.is_allowed {
            return Ok(false);
        }
        let mut again = patched.clone();
        let second = self.send("CREATE", &mut again, &Value::Null).await?;
        settled(&pod, &second)?;
        Ok(first.patch.is_some())
    }

    async fn updated(&self, chance: &mut Chance) -> Tried {
        let mut old = self.pod(chance);
        let mut new = old.clone();
        if chance.one_in(2) {
            self.send("CREATE", &mut old, &Value::Null).await?;
        }
        for _ in 0..chance.below(4) {
            mutate::tree(chance, &mut new);
        }
        let first = self.send("UPDATE", &mut new, &old).await?;
        let mut again = new.clone();
        let second = self.send("UPDATE", &mut again, &old).await?;
        if first.is_allowed {
            settled(&new, &second)?;
        }
        Ok(first.patch.is_some())
    }

    async fn validated(&self, chance: &mut Chance) -> Tried {
        let (resource, object) = chance.pick(&self.objects);
        let mut changed = object.clone();
        for _ in 0..chance.below(5) {
            mutate::tree(chance, &mut changed);
        }
        let operation = *chance.pick(&["CREATE", "UPDATE"]);
        let mut review = review(operation, &changed, object);
        review["request"]["resource"]["resource"] = (*resource).into();
        let body = review.to_string().into_bytes();
        let answer = self.post(Path::Validate, &body, true).await?;
        if answer.patch.is_some() {
            return Err(finding(&body, "a validation has a patch"));
        }
        Ok(answer.is_allowed)
    }

    /// Bytes that need not be a review at all.
    async fn broken(&self, chance: &mut Chance) -> Tried {
        let pod = self.pod(chance);
        let mut body = review("CREATE", &pod, &pod).to_string().into_bytes();
        for _ in 0..=chance.below(4) {
            mutate::bytes_once(chance, &mut body);
        }
        let path = *chance.pick(&[Path::Mutate, Path::Validate]);
        Ok(self.post(path, &body, false).await?.is_allowed)
    }

    /// Sends a pod, which becomes what the answer makes of it.
    async fn send(&self, operation: &str, pod: &mut Value, old: &Value) -> Result<Answer, Finding> {
        let body = review(operation, pod, old).to_string().into_bytes();
        let answer = self.post(Path::Mutate, &body, true).await?;
        if let Some(patch) = &answer.patch {
            patches::apply(pod, patch, old).map_err(|trouble| finding(&body, trouble))?;
        }
        Ok(answer)
    }

    /// Posts a body; one that is a review is answered as such.
    async fn post(&self, path: Path, body: &[u8], is_review: bool) -> Result<Answer, Finding> {
        let reply = self.world.webhook.reply(path, body, LIMIT).await;
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        let trouble = |what: &str| Err(finding(body, format!("{what}: {text}")));
        let Ok(answer) = serde_json::from_slice::<Value>(&reply.body) else {
            return trouble("the answer is no JSON");
        };
        let response = &answer["response"];
        match reply.status {
            200 => {}
            400 if !is_review && answer["kind"] == "Status" => {
                return Ok(Answer {
                    is_allowed: false,
                    patch: None,
                });
            }
            _ => return trouble("the status is wrong"),
        }
        // Some of what the webhook can read the oracle cannot, such as half of a surrogate pair.
        let asked: Option<Value> = serde_json::from_slice(body).ok();
        let uid = asked.map(|asked| asked["request"]["uid"].clone());
        let is_the_same = uid.is_none_or(|uid| uid == response["uid"]);
        if !is_the_same || response["uid"].as_str().is_none_or(str::is_empty) {
            return trouble("the uid is another");
        }
        if response["auditAnnotations"]["reason"] == "panic" {
            return trouble("it panicked");
        }
        let Some(is_allowed) = response["allowed"].as_bool() else {
            return trouble("nothing is decided");
        };
        let is_said = response["status"]["message"]
            .as_str()
            .is_some_and(|text| !text.is_empty());
        if !is_allowed && !is_said {
            return trouble("a denial gives no reason");
        }
        let patch = response["patch"].as_str().map(|text| STANDARD.decode(text));
        let patch = match patch {
            None => None,
            Some(Ok(bytes)) => serde_json::from_slice(&bytes).ok(),
            Some(Err(_)) => return trouble("the patch is no base64"),
        };
        if patch.is_some() != (response["patchType"] == "JSONPatch")
            || (patch.is_some() && !is_allowed)
        {
            return trouble("the patch does not fit");
        }
        Ok(Answer { is_allowed, patch })
    }
}

fn settled(before: &Value, second: &Answer) -> Result<(), Finding> {
    if second.is_allowed && second.patch.is_none() {
        return Ok(());
    }
    let patch = &second.patch;
    let trouble = format!(
        "a second pass is not done: {:?} {patch:?}",
        second.is_allowed
    );
    Err(finding(before.to_string().as_bytes(), trouble))
}

fn finding(input: &[u8], trouble: impl Into<String>) -> Finding {
    Finding {
        input: String::from_utf8_lossy(input).into_owned(),
        trouble: trouble.into(),
    }
}
