//! What a review may cost once the webhook has met its pods. `cargo bench` counts instructions too.

use serde_json::Value;

use crate::support::reviews::{BODIES, body};
use crate::support::warm::Warm;

fn answered(reply: &[u8]) -> Value {
    let answer: Value = serde_json::from_slice(reply).expect("the answer must be JSON");
    assert_eq!(answer["response"]["allowed"], true, "{answer}");
    answer
}

#[test]
fn a_warm_review_asks_nobody_and_waits_for_nothing() {
    for body in &BODIES {
        let (warm, bytes) = (Warm::new(), body.build());
        let first = answered(&warm.meet(&bytes).body);
        let asked = warm.questions();
        let is_plain = body.name == "plain";
        // The questions of a pod are one for each store its account reads.
        assert_eq!(asked, usize::from(!is_plain), "{}", body.name);
        for _ in 0..3 {
            assert_eq!(answered(&warm.answer(&bytes).body), first, "{}", body.name);
        }
        assert_eq!(warm.questions(), asked, "{}", body.name);
        assert_eq!(
            first["response"]["patch"].is_null(),
            is_plain,
            "{}",
            body.name
        );
    }
}

/// Allocations of one warm review.
fn allocations(name: &str) -> u64 {
    let body = body(name).expect("the review must be known");
    let warm = Warm::new();
    warm.meet(&body);
    warm.answer(&body);
    allocation_counter::measure(|| drop(warm.answer(&body))).count_total
}

#[test]
fn allocations_grow_with_what_is_asked_and_not_with_the_pod() {
    let (plain, typical) = (allocations("plain"), allocations("typical"));
    assert!(
        plain <= PLAIN_LIMIT,
        "{plain} for a pod that asks for nothing"
    );
    assert!(typical <= TYPICAL_LIMIT, "{typical} for the typical pod");
    let (large, huge) = (allocations("large"), allocations("huge"));
    // An escaped annotation is copied once, into a buffer that grows.
    assert!(
        huge <= large + 60,
        "{huge} with an annotation of 900 KB, {large} without"
    );
}

const PLAIN_LIMIT: u64 = 60;
const TYPICAL_LIMIT: u64 = 400;
