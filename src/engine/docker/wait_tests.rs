use bollard::models::{ContainerState, Health};

use super::*;

fn found(status: ContainerStateStatusEnum, code: i64, restarts: i64) -> ContainerInspectResponse {
    let state = ContainerState {
        status: Some(status),
        exit_code: Some(code),
        ..Default::default()
    };
    ContainerInspectResponse {
        state: Some(state),
        restart_count: Some(restarts),
        ..Default::default()
    }
}

fn healthy(status: HealthStatusEnum) -> ContainerInspectResponse {
    let mut found = found(ContainerStateStatusEnum::RUNNING, 0, 0);
    let health = Health {
        status: Some(status),
        ..Default::default()
    };
    if let Some(state) = &mut found.state {
        state.health = Some(health);
    }
    found
}

fn ended(code: i64) -> Verdict {
    Verdict::Ended {
        code,
        out_of_memory: false,
    }
}

#[test]
fn completed_means_exit_code_0_and_nothing_else() {
    use ContainerStateStatusEnum as Status;
    assert_eq!(
        from_inspect(&found(Status::EXITED, 0, 0), Await::Completed),
        Verdict::Reached
    );
    assert_eq!(
        from_inspect(&found(Status::EXITED, 3, 0), Await::Completed),
        ended(3)
    );
    assert_eq!(
        from_inspect(&found(Status::RUNNING, 0, 0), Await::Completed),
        Verdict::NotYet
    );
    assert_eq!(
        from_inspect(&found(Status::CREATED, 0, 0), Await::Completed),
        Verdict::NotYet
    );
}

#[test]
fn healthy_is_never_taken_for_granted() {
    use ContainerStateStatusEnum as Status;
    assert_eq!(
        from_inspect(&healthy(HealthStatusEnum::HEALTHY), Await::Healthy),
        Verdict::Reached
    );
    assert_eq!(
        from_inspect(&healthy(HealthStatusEnum::STARTING), Await::Healthy),
        Verdict::NotYet
    );
    assert_eq!(
        from_inspect(&healthy(HealthStatusEnum::UNHEALTHY), Await::Healthy),
        Verdict::NotYet,
        "it may come right"
    );
    assert_eq!(
        from_inspect(&found(Status::RUNNING, 0, 0), Await::Healthy),
        Verdict::NoHealthCheck
    );
    assert_eq!(
        from_inspect(&found(Status::EXITED, 0, 0), Await::Healthy),
        ended(0)
    );
}

#[test]
fn a_container_that_is_brought_back_gets_five_tries() {
    use ContainerStateStatusEnum as Status;
    assert_eq!(
        from_inspect(&found(Status::RESTARTING, 1, 4), Await::Healthy),
        Verdict::NotYet
    );
    assert_eq!(
        from_inspect(&found(Status::RESTARTING, 1, 5), Await::Healthy),
        ended(1)
    );
}

#[test]
fn what_is_well_follows_from_what_the_container_has() {
    use bollard::models::{HostConfig, RestartPolicy};
    let with_policy = |mut found: ContainerInspectResponse, name| {
        let policy = RestartPolicy {
            name: Some(name),
            ..Default::default()
        };
        found.host_config = Some(HostConfig {
            restart_policy: Some(policy),
            ..Default::default()
        });
        own_wait(&found)
    };
    use RestartPolicyNameEnum as Name;
    let running = || found(ContainerStateStatusEnum::RUNNING, 0, 0);
    let checked = healthy(HealthStatusEnum::STARTING);
    assert_eq!(with_policy(checked, Name::ALWAYS), Some(Await::Healthy));
    assert_eq!(with_policy(running(), Name::NO), Some(Await::Completed));
    assert_eq!(with_policy(running(), Name::ALWAYS), None, "it has to run");
}
