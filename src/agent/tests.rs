//! The loop with a server that is a table.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use super::*;
use crate::secret::SecretBytes;

/// Values by name, or a failure to answer.
type Told = Result<Vec<(&'static str, Result<&'static str, Unserved>)>, &'static str>;
type Log = Arc<Mutex<Vec<(Duration, Vec<String>)>>>;

/// Answers what it was told to, the last thing again and again.
struct Table {
    answers: VecDeque<Told>,
    asked: Log,
    began: Instant,
}

#[async_trait]
impl Server for Table {
    async fn ask(&mut self, names: &BTreeSet<&str>) -> Result<Answers, String> {
        let names = names.iter().map(|&name| name.to_owned()).collect();
        let mut asked = self.asked.lock().unwrap();
        asked.push((self.began.elapsed(), names));
        let answer = if self.answers.len() > 1 {
            self.answers.pop_front()
        } else {
            self.answers.front().cloned()
        };
        let entries = answer.unwrap().map_err(str::to_owned)?;
        let entries = entries.into_iter().map(|(name, value)| {
            let value = value.map(|text| {
                let entry = ("k".to_owned(), SecretBytes::from(text));
                std::iter::once(entry).collect()
            });
            (name.to_owned(), value)
        });
        Ok(entries.collect())
    }
}

fn delivery(name: &str, volume: &str, refresh: u64) -> Delivery {
    Delivery {
        name: name.to_owned(),
        volume: volume.to_owned(),
        mode: 0o644,
        items: Vec::new(),
        optional: false,
        refresh,
    }
}

fn missing() -> Unserved {
    Unserved {
        message: "there is no such secret".to_owned(),
        is_missing: true,
        retry_after: Duration::ZERO,
    }
}

fn down(seconds: u64) -> Unserved {
    Unserved {
        message: "the store is down".to_owned(),
        is_missing: false,
        retry_after: Duration::from_secs(seconds),
    }
}

struct Run {
    root: tempfile::TempDir,
    asked: Log,
}

impl Run {
    fn of(&self, volume: &str) -> Option<String> {
        std::fs::read_to_string(self.root.path().join(volume).join("k")).ok()
    }

    fn times(&self) -> Vec<u64> {
        let asked = self.asked.lock().unwrap();
        asked.iter().map(|(at, _)| at.as_secs()).collect()
    }
}

/// Runs for a while of paused time.
async fn run_for(seconds: u64, deliveries: Vec<Delivery>, answers: Vec<Told>) -> Run {
    let root = tempfile::tempdir().unwrap();
    for delivery in &deliveries {
        std::fs::create_dir_all(root.path().join(&delivery.volume)).unwrap();
    }
    let run = Run {
        root,
        asked: Log::default(),
    };
    continue_for(seconds, &run, deliveries, answers).await;
    run
}

async fn continue_for(seconds: u64, run: &Run, deliveries: Vec<Delivery>, answers: Vec<Told>) {
    let options = Options {
        root: run.root.path().to_owned(),
        deliveries,
    };
    let mut server = Table {
        answers: answers.into(),
        asked: run.asked.clone(),
        began: Instant::now(),
    };
    let limit = Duration::from_secs(seconds);
    let ended = tokio::time::timeout(limit, super::run(options, &mut server)).await;
    assert!(ended.is_err(), "an agent never ends by itself");
}

#[tokio::test(start_paused = true)]
async fn values_are_written_and_follow_at_the_interval() {
    let answers = vec![Ok(vec![("a", Ok("old"))]), Ok(vec![("a", Ok("new"))])];
    let run = run_for(5, vec![delivery("a", "v", 60)], answers.clone()).await;
    assert_eq!(run.of("v").as_deref(), Some("old"));
    assert_eq!(run.times(), [0]);
    let run = run_for(61, vec![delivery("a", "v", 60)], answers).await;
    assert_eq!(run.of("v").as_deref(), Some("new"));
    assert!(matches!(run.times()[..], [0, 54..=60]), "{:?}", run.times());
    assert_eq!(ready(run.root.path()), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn an_interval_of_zero_fetches_once_also_after_a_restart() {
    let answers = vec![Ok(vec![("a", Ok("old"))]), Ok(vec![("a", Ok("new"))])];
    let run = run_for(100_000, vec![delivery("a", "v", 0)], answers).await;
    assert_eq!(run.times().len(), 1);
    let answers = vec![Ok(vec![("a", Ok("new"))])];
    continue_for(100_000, &run, vec![delivery("a", "v", 0)], answers).await;
    assert_eq!(run.times().len(), 1);
    assert_eq!(run.of("v").as_deref(), Some("old"));
}

#[tokio::test(start_paused = true)]
async fn an_outage_removes_nothing_and_is_over_soon_after_its_end() {
    let outage = || Ok(vec![("a", Err(down(0)))]);
    let mut answers = vec![Ok(vec![("a", Ok("old"))]), Err("refused"), outage()];
    let run = run_for(3600, vec![delivery("a", "v", 10)], answers.clone()).await;
    assert_eq!(run.of("v").as_deref(), Some("old"));
    assert!(
        run.times().len() > 100,
        "it asks every half minute at least"
    );
    answers.push(Ok(vec![("a", Ok("new"))]));
    let run = run_for(60, vec![delivery("a", "v", 10)], answers).await;
    assert_eq!(run.of("v").as_deref(), Some("new"));
}

#[tokio::test(start_paused = true)]
async fn a_volume_is_ready_with_its_first_values_only() {
    let deliveries = vec![delivery("a", "v", 60), delivery("b", "w", 60)];
    let answers = vec![Ok(vec![("a", Ok("x")), ("b", Err(down(0)))])];
    let run = run_for(20, deliveries, answers).await;
    assert_eq!(run.of("v").as_deref(), Some("x"));
    let told = ready(run.root.path()).unwrap_err();
    assert!(told.starts_with("volume w has no values yet"), "{told}");
    let asked = run.asked.lock().unwrap();
    assert_eq!(asked[0].1, ["a", "b"], "one question for all that is due");
    assert_eq!(asked[1].1, ["b"]);
}

#[tokio::test(start_paused = true)]
async fn only_what_is_optional_and_missing_lets_the_pod_start_without() {
    let optional = |name: &str, volume: &str| Delivery {
        optional: true,
        ..delivery(name, volume, 60)
    };
    let run = run_for(
        5,
        vec![optional("a", "v")],
        vec![Ok(vec![("a", Err(missing()))])],
    )
    .await;
    assert_eq!(ready(run.root.path()), Ok(()));
    assert_eq!(run.of("v"), None);
    let run = run_for(
        5,
        vec![optional("a", "v")],
        vec![Ok(vec![("a", Err(down(0)))])],
    )
    .await;
    assert!(
        ready(run.root.path()).is_err(),
        "an outage is not an absence"
    );
    let required = vec![delivery("a", "v", 60)];
    let run = run_for(5, required, vec![Ok(vec![("a", Err(missing()))])]).await;
    assert!(ready(run.root.path()).is_err());
    let answers = vec![Ok(vec![("a", Ok("x"))]), Ok(vec![("a", Err(missing()))])];
    let run = run_for(200, vec![optional("a", "v")], answers).await;
    assert_eq!(run.of("v").as_deref(), Some("x"), "what was there stays");
    let answers = vec![Ok(vec![("a", Err(missing()))]), Ok(vec![("a", Ok("x"))])];
    let run = run_for(61, vec![optional("a", "v")], answers).await;
    assert_eq!(
        run.of("v").as_deref(),
        Some("x"),
        "what comes later is written"
    );
}

#[tokio::test(start_paused = true)]
async fn a_volume_of_two_secrets_changes_only_with_both() {
    let both = vec![delivery("a", "v", 60), delivery("b", "v", 60)];
    let answers = vec![
        Ok(vec![("a", Ok("a1")), ("b", Ok("b1"))]),
        Ok(vec![("a", Ok("a2")), ("b", Err(down(0)))]),
    ];
    let run = run_for(70, both, answers).await;
    assert_eq!(
        run.of("v").as_deref(),
        Some("b1"),
        "the later of one path stays"
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_asks_to_wait_is_believed_within_limits() {
    let answers = vec![Ok(vec![("a", Err(down(40)))])];
    let run = run_for(90, vec![delivery("a", "v", 60)], answers).await;
    assert_eq!(run.times(), [0, 40, 80]);
    let answers = vec![Ok(vec![("a", Err(down(100_000)))])];
    let run = run_for(301, vec![delivery("a", "v", 60)], answers).await;
    assert_eq!(run.times(), [0, 300]);
}

#[test]
fn a_key_that_a_volume_names_must_be_there_unless_it_is_optional() {
    let item = crate::model::pod_injection::memory::Item {
        key: "other".to_owned(),
        path: "o".to_owned(),
        mode: None,
    };
    let settle = |optional: bool, path: &str| {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("v")).unwrap();
        let mut item = item.clone();
        path.clone_into(&mut item.path);
        let options = Options {
            root: root.path().to_owned(),
            deliveries: vec![Delivery {
                items: vec![item],
                optional,
                ..delivery("a", "v", 60)
            }],
        };
        let mut values = SecretMap::new();
        values.insert("k", SecretBytes::from("x"));
        let answers = Answers::from([("a".to_owned(), Ok(values))]);
        let mut volume = Volume::of(&options, Instant::now()).remove(0);
        matches!(volume.settle(&answers), Settled::Current { .. })
    };
    assert!(!settle(false, "o"));
    assert!(settle(true, "o"));
    assert!(!settle(true, "../../etc/passwd"), "whoever told it");
}
