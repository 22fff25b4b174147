//! Process skeleton: probes, leader election, drain; knows no controller.
