//! Reconcile loops: observe, plan, apply.
