//! Metrics: every name and label in one place.
//!
//! Names without the prefix `latchkey_` are ESO's and controller-runtime's, so that dashboards and
//! alerts made for them go on working.

mod stores;

use std::sync::Arc;
use std::time::Duration;

use prometheus::{
    Encoder as _, Gauge, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry,
    TextEncoder,
};

use stores::Stores;

/// Which kind of object a series is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// ExternalSecrets.
    ExternalSecret,
    /// SecretStores.
    SecretStore,
    /// ClusterSecretStores.
    ClusterSecretStore,
    /// ClusterExternalSecrets.
    ClusterExternalSecret,
    /// PushSecrets.
    PushSecret,
    /// ClusterPushSecrets.
    ClusterPushSecret,
}

impl Subject {
    const ALL: [Self; 6] = [
        Self::ExternalSecret,
        Self::SecretStore,
        Self::ClusterSecretStore,
        Self::ClusterExternalSecret,
        Self::PushSecret,
        Self::ClusterPushSecret,
    ];

    /// The controller's name, which is also the prefix of its metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ExternalSecret => "externalsecret",
            Self::SecretStore => "secretstore",
            Self::ClusterSecretStore => "clustersecretstore",
            Self::ClusterExternalSecret => "clusterexternalsecret",
            Self::PushSecret => "pushsecret",
            Self::ClusterPushSecret => "clusterpushsecret",
        }
    }
}

/// The process's metrics; a clone counts in the same series.
#[derive(Clone)]
pub struct Metrics(Arc<Series>);

struct Series {
    registry: Registry,
    sync_calls: IntCounterVec,
    sync_errors: IntCounterVec,
    reconciles: IntCounterVec,
    reconcile_seconds: HistogramVec,
    panics: IntCounterVec,
    webhook_requests: IntCounterVec,
    webhook_shed: IntCounterVec,
    esc_requests: IntCounterVec,
    webhook_seconds: HistogramVec,
    conditions: [GaugeVec; 6],
    durations: [GaugeVec; 6],
    stores: Stores,
    pulse: Pulse,
    injection: Injection,
}

/// Whether ExternalSecrets keep up.
struct Pulse {
    stale: GaugeVec,
    overdue: GaugeVec,
    overdue_count: Gauge,
    deletions_held: Gauge,
}

/// What happens to pods and their Secrets.
struct Injection {
    stale: GaugeVec,
    failures: IntCounterVec,
    restarts: IntCounterVec,
    uninjected: GaugeVec,
}

const OBJECT: [&str; 2] = ["name", "namespace"];

/// Makes metrics in a registry. Names and labels are constants of this file, so that none can fail.
struct Registering(Registry);

impl Registering {
    fn counter(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        let metric =
            IntCounterVec::new(Opts::new(name, help), labels).expect("the name must be legal");
        self.0
            .register(Box::new(metric.clone()))
            .expect("the name must be free");
        metric
    }

    fn gauge(&self, name: &str, help: &str, labels: &[&str]) -> GaugeVec {
        let metric = GaugeVec::new(Opts::new(name, help), labels).expect("the name must be legal");
        self.0
            .register(Box::new(metric.clone()))
            .expect("the name must be free");
        metric
    }

    fn single(&self, name: &str, help: &str) -> Gauge {
        let metric = Gauge::new(name, help).expect("the name must be legal");
        self.0
            .register(Box::new(metric.clone()))
            .expect("the name must be free");
        metric
    }

    fn histogram(&self, name: &str, labels: &[&str]) -> HistogramVec {
        let opts = HistogramOpts::new(name, "Seconds it took");
        let metric = HistogramVec::new(opts, labels).expect("the name must be legal");
        self.0
            .register(Box::new(metric.clone()))
            .expect("the name must be free");
        metric
    }
}

impl Pulse {
    fn new(new: &Registering) -> Self {
        Self {
            stale: new.gauge(
                "latchkey_stale_seconds",
                "Seconds since the values of a failing ExternalSecret were last confirmed",
                &OBJECT,
            ),
            overdue: new.gauge(
                "latchkey_refresh_overdue_seconds",
                "Seconds since the refresh of an ExternalSecret should have begun",
                &OBJECT,
            ),
            overdue_count: new.single(
                "latchkey_overdue_refreshes",
                "ExternalSecrets whose refresh should have begun long ago",
            ),
            deletions_held: new.single(
                "latchkey_deletions_held",
                "ExternalSecrets that the brake on mass deletion keeps from losing values",
            ),
        }
    }
}

impl Injection {
    fn new(new: &Registering) -> Self {
        Self {
            stale: new.gauge(
                "latchkey_injection_stale_seconds",
                "Seconds since the values of a Secret for pods were last confirmed, while they cannot be",
                &OBJECT,
            ),
            failures: new.counter(
                "latchkey_injection_failures_total",
                "Failed tries to make or refresh a Secret for pods",
                &["reason"],
            ),
            restarts: new.counter(
                "latchkey_injection_restarts_total",
                "Workloads and pods whose values changed, by what was done about it",
                &["kind", "outcome"],
            ),
            uninjected: new.gauge(
                "latchkey_uninjected_pods",
                "Pods that ask for injection and were not injected",
                &["namespace"],
            ),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// An empty registry with every metric in it.
    #[must_use]
    pub fn new() -> Self {
        let new = Registering(Registry::new());
        Self(Arc::new(Series {
            sync_calls: new.counter("externalsecret_sync_calls_total", "Refreshes", &OBJECT),
            sync_errors: new.counter(
                "externalsecret_sync_calls_error",
                "Failed refreshes",
                &OBJECT,
            ),
            reconciles: new.counter(
                "controller_runtime_reconcile_total",
                "Reconciles",
                &["controller", "result"],
            ),
            reconcile_seconds: new
                .histogram("controller_runtime_reconcile_time_seconds", &["controller"]),
            panics: new.counter(
                "latchkey_panics_total",
                "Reconciles and requests that panicked",
                &["where"],
            ),
            webhook_shed: new.counter(
                "latchkey_webhook_shed_total",
                "Admission requests that were turned away because too many were under way",
                &["webhook"],
            ),
            webhook_requests: new.counter(
                "controller_runtime_webhook_requests_total",
                "Admission requests",
                &["webhook", "code"],
            ),
            esc_requests: new.counter(
                "latchkey_esc_requests_total",
                "Requests of the embedded store",
                &["operation", "status"],
            ),
            webhook_seconds: new
                .histogram("controller_runtime_webhook_latency_seconds", &["webhook"]),
            conditions: Subject::ALL.map(|subject| {
                let labels = ["name", "namespace", "condition", "status"];
                new.gauge(
                    &format!("{}_status_condition", subject.as_str()),
                    "1 for the present status",
                    &labels,
                )
            }),
            durations: Subject::ALL.map(|subject| {
                let name = format!("{}_reconcile_duration", subject.as_str());
                new.gauge(&name, "Nanoseconds the last reconcile took", &OBJECT)
            }),
            stores: Stores::new(&new),
            pulse: Pulse::new(&new),
            injection: Injection::new(&new),
            registry: new.0,
        }))
    }

    /// A refresh of an ExternalSecret begins.
    pub fn refreshed(&self, namespace: &str, name: &str) {
        self.0
            .sync_calls
            .with_label_values(&[name, namespace])
            .inc();
    }

    /// A refresh of an ExternalSecret failed.
    pub fn failed(&self, namespace: &str, name: &str) {
        self.0
            .sync_errors
            .with_label_values(&[name, namespace])
            .inc();
    }

    /// A reconcile ended.
    pub fn reconciled(
        &self,
        subject: Subject,
        namespace: &str,
        name: &str,
        took: Duration,
        ok: bool,
    ) {
        let controller = subject.as_str();
        let result = if ok { "success" } else { "error" };
        self.0
            .reconciles
            .with_label_values(&[controller, result])
            .inc();
        self.0
            .reconcile_seconds
            .with_label_values(&[controller])
            .observe(took.as_secs_f64());
        let nanoseconds = took.as_secs_f64() * 1e9;
        self.0.durations[subject as usize]
            .with_label_values(&[name, namespace])
            .set(nanoseconds);
    }

    /// The condition Ready of an object.
    pub fn ready(&self, subject: Subject, namespace: &str, name: &str, ready: bool) {
        let gauge = &self.0.conditions[subject as usize];
        let (status, opposite) = if ready {
            ("True", "False")
        } else {
            ("False", "True")
        };
        gauge
            .with_label_values(&[name, namespace, "Ready", status])
            .set(1.0);
        gauge
            .with_label_values(&[name, namespace, "Ready", opposite])
            .set(0.0);
    }

    /// Drops every series of an object that is gone.
    pub fn forget(&self, subject: Subject, namespace: &str, name: &str) {
        let gauge = &self.0.conditions[subject as usize];
        for status in ["True", "False"] {
            drop(gauge.remove_label_values(&[name, namespace, "Ready", status]));
        }
        drop(self.0.durations[subject as usize].remove_label_values(&[name, namespace]));
        if subject == Subject::ExternalSecret {
            drop(self.0.sync_calls.remove_label_values(&[name, namespace]));
            drop(self.0.sync_errors.remove_label_values(&[name, namespace]));
            self.fresh(namespace, name);
            self.on_time(namespace, name);
        }
    }

    /// The values of a failing ExternalSecret were last confirmed so many seconds ago.
    pub fn stale(&self, namespace: &str, name: &str, seconds: f64) {
        let stale = &self.0.pulse.stale;
        stale.with_label_values(&[name, namespace]).set(seconds);
    }

    /// The values of an ExternalSecret are confirmed.
    pub fn fresh(&self, namespace: &str, name: &str) {
        drop(self.0.pulse.stale.remove_label_values(&[name, namespace]));
    }

    /// The refresh of an ExternalSecret should have begun so many seconds ago.
    pub fn overdue(&self, namespace: &str, name: &str, seconds: f64) {
        let overdue = &self.0.pulse.overdue;
        overdue.with_label_values(&[name, namespace]).set(seconds);
    }

    /// The refresh of an ExternalSecret is not overdue.
    pub fn on_time(&self, namespace: &str, name: &str) {
        let overdue = &self.0.pulse.overdue;
        drop(overdue.remove_label_values(&[name, namespace]));
    }

    /// How many refreshes are overdue, and how many ExternalSecrets may not lose values for now.
    pub fn pulse(&self, overdue: usize, held: usize) {
        let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        self.0.pulse.overdue_count.set(number(overdue));
        self.0.pulse.deletions_held.set(number(held));
    }

    /// A reconcile or a request panicked.
    pub fn panicked(&self, place: &str) {
        self.0.panics.with_label_values(&[place]).inc();
    }

    /// An admission request was answered.
    pub fn reviewed(&self, webhook: &str, code: u16, took: Duration) {
        self.0
            .webhook_requests
            .with_label_values(&[webhook, &code.to_string()])
            .inc();
        self.0
            .webhook_seconds
            .with_label_values(&[webhook])
            .observe(took.as_secs_f64());
    }

    /// An admission request was turned away.
    pub fn shed(&self, webhook: &str) {
        self.0.webhook_shed.with_label_values(&[webhook]).inc();
    }

    /// The values of a Secret for pods could not be confirmed; `seconds` have passed since they were, or
    /// since the first try.
    pub fn injection_failed(&self, namespace: &str, name: &str, reason: &str, seconds: f64) {
        let injection = &self.0.injection;
        injection.failures.with_label_values(&[reason]).inc();
        let stale = injection.stale.with_label_values(&[name, namespace]);
        stale.set(seconds.max(0.0));
    }

    /// The values of a Secret for pods are as they should be, or nobody needs them any more.
    pub fn injection_mended(&self, namespace: &str, name: &str) {
        let stale = &self.0.injection.stale;
        drop(stale.remove_label_values(&[name, namespace]));
    }

    /// A workload or a pod of `kind` has old values, and `outcome` was done about it.
    pub fn restarted(&self, kind: &str, outcome: &str) {
        let restarts = &self.0.injection.restarts;
        restarts.with_label_values(&[kind, outcome]).inc();
    }

    /// How many pods of a namespace ask for injection and were not injected.
    pub fn uninjected(&self, namespace: &str, pods: usize) {
        let gauge = &self.0.injection.uninjected;
        if pods == 0 {
            drop(gauge.remove_label_values(&[namespace]));
        } else {
            let pods = u32::try_from(pods).unwrap_or(u32::MAX);
            gauge.with_label_values(&[namespace]).set(f64::from(pods));
        }
    }

    /// The embedded store answered a request.
    pub fn answered_esc(&self, operation: &str, status: u16) {
        self.0
            .esc_requests
            .with_label_values(&[operation, &status.to_string()])
            .inc();
    }

    /// All series in Prometheus' text format.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.0.registry.gather(), &mut text) {
            tracing::error!(error = %error, "Failed to encode metrics");
        }
        String::from_utf8_lossy(&text).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_status_of_a_condition_is_1() {
        let metrics = Metrics::new();
        metrics.ready(Subject::ExternalSecret, "team", "app", true);
        metrics.ready(Subject::ExternalSecret, "team", "app", false);
        let text = metrics.encode();
        let series = |status: &str, value: u8| {
            format!(
                r#"externalsecret_status_condition{{condition="Ready",name="app",namespace="team",status="{status}"}} {value}"#
            )
        };
        assert!(text.contains(&series("False", 1)), "{text}");
        assert!(text.contains(&series("True", 0)), "{text}");
    }

    #[test]
    fn an_object_that_is_gone_leaves_no_series() {
        let metrics = Metrics::new();
        metrics.refreshed("team", "app");
        metrics.failed("team", "app");
        metrics.ready(Subject::ExternalSecret, "team", "app", true);
        metrics.reconciled(
            Subject::ExternalSecret,
            "team",
            "app",
            Duration::from_millis(1),
            true,
        );
        metrics.stale("team", "app", 1.0);
        metrics.overdue("team", "app", 1.0);
        metrics.ready(Subject::PushSecret, "team", "push", false);
        metrics.forget(Subject::ExternalSecret, "team", "app");
        metrics.forget(Subject::PushSecret, "team", "push");
        assert!(!metrics.encode().contains("team"));
    }
}
