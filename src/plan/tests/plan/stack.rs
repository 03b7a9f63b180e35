//! The stack of most tests: every kind of service once, as phases have them.

pub const STACK: &str = r#"
name: shop
x-scalectl: {phase: 1}
services:
  bootstrap:
    image: agent
    pull_policy: never
    network_mode: none
    restart: "no"
    labels: {dev.scalectl.stage: "1"}
    configs: [{source: pooler, target: /in/pooler/pgbouncer.ini}]
    volumes:
      - {source: state, target: /state}
      - {source: pooler-conf, target: /out/pooler}
  db-1:
    image: db
    restart: unless-stopped
    volumes: [{source: db-1-data, target: /data}]
    depends_on: {bootstrap: {condition: service_completed_successfully}}
    healthcheck: {test: [CMD, ready]}
    stop_grace_period: 60s
    x-scalectl: {turn: database}
  pooler-net:
    image: base
    restart: unless-stopped
    x-scalectl: {update: holder}
  pooler:
    image: pooler
    restart: unless-stopped
    network_mode: service:pooler-net
    volumes: [{source: pooler-conf, target: /etc/scalectl, read_only: true}]
    labels: {dev.scalectl.settings: a1}
    depends_on:
      bootstrap: {condition: service_completed_successfully}
      pooler-net: {condition: service_started}
    healthcheck: {test: [CMD, ready]}
    x-scalectl: {update: rolling}
  agent:
    image: agent
    restart: unless-stopped
    depends_on: {bootstrap: {condition: service_completed_successfully}}
    healthcheck: {test: [CMD, ready]}
  release:
    image: app
    restart: "no"
    depends_on: {pooler: {condition: service_healthy}, db-1: {condition: service_healthy}}
  app:
    image: app
    restart: unless-stopped
    environment: {GREETING: hello}
    depends_on:
      pooler: {condition: service_healthy}
      release: {condition: service_completed_successfully}
    healthcheck: {test: [CMD, ready]}
    stop_grace_period: 30s
    x-scalectl:
      update: rolling
      drain: {service: agent, command: [drain, "{address}"]}
  worker:
    image: app
    restart: unless-stopped
    depends_on: {release: {condition: service_completed_successfully}}
networks:
  default: {}
volumes:
  state: {}
  pooler-conf: {}
  db-1-data: {labels: {dev.scalectl.data: member}}
configs:
  pooler: {content: "pool_size = 20"}
"#;
