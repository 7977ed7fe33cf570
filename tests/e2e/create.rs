use hangar::controller::Verdict;

use crate::world::World;

const SPEC: &str = r"
apiVersion: hangar/v1
kind: Environment
metadata: {name: demo}
spec:
  fly:
    org: acme
    region: iad
    apps:
      web:
        image: registry.fly.io/demo:v1
        env: {PORT: '8080'}
        secrets: {TOKEN: {generate: {length: 32}}}
        volumes: {data: {size: 1GB, mount: /data}}
        services:
          - internalPort: 8080
            ports: [{port: 443, handlers: [http, tls]}]
            checks: [{type: http, path: /, interval: 15s, timeout: 2s}]
        ips: {sharedV4: true, v6: true}
";

#[tokio::test(start_paused = true)]
async fn an_environment_is_created_and_a_second_pass_writes_nothing() {
    let mut world = World::with(&[("demo.yaml", SPEC)]);
    let outcome = world.reconcile().await;
    assert_eq!(outcome.worst(), Verdict::Converged, "{:#?}\n{:#?}", outcome.failures, world.recorder.events());
    let machines = world.sim.machines("demo-web");
    assert_eq!(machines.len(), 1);
    world.sim.clear_requests();
    let again = world.reconcile().await;
    assert_eq!(again.worst(), Verdict::Converged);
    assert_eq!(world.writes(), Vec::<String>::new());
    assert_eq!(world.sim.reads(), 7);
}
