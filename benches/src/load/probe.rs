//! What the server and the generator itself cost, from looks at them at four moments.

use std::io;

use serde::Serialize;

use super::process::{Cpu, Memory};

/// Looks at the processes.
#[derive(Debug)]
pub(super) struct Probe {
    server: Option<Server>,
    own_start: Option<Cpu>,
    own_end: Option<Cpu>,
}

/// What was seen of the server; a look that failed (it has ended) is missing.
#[derive(Debug)]
struct Server {
    pid: u32,
    cpu_before: Cpu,
    memory_before: Memory,
    cpu_idle: Option<Cpu>,
    memory_idle: Option<Memory>,
    cpu_start: Option<Cpu>,
    cpu_end: Option<Cpu>,
    memory_end: Option<Memory>,
}

impl Probe {
    /// Looks at the server before anybody connects.
    pub(super) fn new(pid: Option<u32>) -> io::Result<Self> {
        let server = pid.map(|pid| {
            io::Result::Ok(Server {
                pid,
                cpu_before: Cpu::of(pid)?,
                memory_before: Memory::of(pid)?,
                cpu_idle: None,
                memory_idle: None,
                cpu_start: None,
                cpu_end: None,
                memory_end: None,
            })
        });
        Ok(Self { server: server.transpose()?, own_start: None, own_end: None })
    }

    /// Everybody is connected, and no round counts yet.
    pub(super) fn idle(&mut self) {
        if let Some(server) = &mut self.server {
            server.cpu_idle = Cpu::of(server.pid).ok();
            server.memory_idle = Memory::of(server.pid).ok();
        }
    }

    /// The first round that counts has begun.
    pub(super) fn start(&mut self) {
        self.own_start = Cpu::of(std::process::id()).ok();
        if let Some(server) = &mut self.server {
            server.cpu_start = Cpu::of(server.pid).ok();
        }
    }

    /// The last round is over, and everybody still connected.
    pub(super) fn end(&mut self) {
        self.own_end = Cpu::of(std::process::id()).ok();
        if let Some(server) = &mut self.server {
            server.cpu_end = Cpu::of(server.pid).ok();
            server.memory_end = Memory::of(server.pid).ok();
        }
    }

    /// What each of `clients` and each of `submissions` has cost.
    pub(super) fn cost(self, clients: usize, submissions: usize) -> Cost {
        let own = used(self.own_start, self.own_end);
        Cost {
            server: self.server.map(|server| server.cost(clients, submissions)),
            generator: own.and_then(|cpu| {
                Some(Ours {
                    user_us_per_client_and_round: share(cpu.user_us, submissions)?,
                    system_us_per_client_and_round: share(cpu.system_us, submissions)?,
                })
            }),
        }
    }
}

impl Server {
    fn cost(self, clients: usize, submissions: usize) -> Servers {
        let rounds = used(self.cpu_start, self.cpu_end);
        let connecting = used(Some(self.cpu_before), self.cpu_idle);
        let grown = |memory: Option<Memory>| {
            let before = self.memory_before.anonymous_bytes;
            memory.and_then(|now| share(now.anonymous_bytes.saturating_sub(before), clients))
        };
        Servers {
            pid: self.pid,
            user_us_per_client_and_round: rounds.and_then(|cpu| share(cpu.user_us, submissions)),
            system_us_per_client_and_round: rounds
                .and_then(|cpu| share(cpu.system_us, submissions)),
            us_per_handshake: connecting
                .and_then(|cpu| share(cpu.user_us + cpu.system_us, clients)),
            bytes_per_idle_connection: grown(self.memory_idle),
            bytes_per_connection_at_end: grown(self.memory_end),
            memory_before: self.memory_before,
            memory_idle: self.memory_idle,
            memory_at_end: self.memory_end,
        }
    }
}

fn used(from: Option<Cpu>, to: Option<Cpu>) -> Option<Cpu> {
    Some(to?.since(&from?))
}

fn share(sum: u64, among: usize) -> Option<f64> {
    (among > 0).then(|| sum as f64 / among as f64)
}

/// What a run has cost.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Cost {
    /// The server, if its process is known.
    pub server: Option<Servers>,
    /// The load generator, with what it sealed after the first round that counts had begun.
    pub generator: Option<Ours>,
}

/// What the server has used.
#[derive(Clone, Debug, Serialize)]
pub struct Servers {
    /// Its process.
    pub pid: u32,
    /// CPU time in the program for each submission.
    pub user_us_per_client_and_round: Option<f64>,
    /// CPU time in the kernel for each submission.
    pub system_us_per_client_and_round: Option<f64>,
    /// CPU time for each connection until all were connected.
    pub us_per_handshake: Option<f64>,
    /// Growth of anonymous memory for each connection, before the first round that counts.
    pub bytes_per_idle_connection: Option<f64>,
    /// The same after the last round, with what is kept for rounds.
    pub bytes_per_connection_at_end: Option<f64>,
    /// Before anybody connected.
    pub memory_before: Memory,
    /// With everybody connected.
    pub memory_idle: Option<Memory>,
    /// After the last round.
    pub memory_at_end: Option<Memory>,
}

/// What the load generator has used.
#[derive(Clone, Debug, Serialize)]
pub struct Ours {
    /// CPU time in the program for each submission.
    pub user_us_per_client_and_round: f64,
    /// CPU time in the kernel for each submission.
    pub system_us_per_client_and_round: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu(user_us: u64, system_us: u64) -> Cpu {
        Cpu { user_us, system_us }
    }

    fn memory(anonymous_bytes: u64) -> Memory {
        Memory { anonymous_bytes, ..Memory::default() }
    }

    #[test]
    fn costs_are_shared_among_clients_and_submissions() {
        let server = Server {
            pid: 1,
            cpu_before: cpu(10, 10),
            memory_before: memory(1000),
            cpu_idle: Some(cpu(50, 30)),
            memory_idle: Some(memory(41_000)),
            cpu_start: Some(cpu(100, 40)),
            cpu_end: Some(cpu(700, 240)),
            memory_end: None,
        };
        let cost = server.cost(4, 20);
        assert_eq!(cost.us_per_handshake, Some(15.0));
        assert_eq!(cost.user_us_per_client_and_round, Some(30.0));
        assert_eq!(cost.system_us_per_client_and_round, Some(10.0));
        assert_eq!(cost.bytes_per_idle_connection, Some(10_000.0));
        assert_eq!(cost.bytes_per_connection_at_end, None);
    }

    #[test]
    fn without_submissions_nothing_has_a_price() {
        let probe = Probe { server: None, own_start: Some(cpu(0, 0)), own_end: Some(cpu(9, 9)) };
        assert!(probe.cost(1, 0).generator.is_none());
        assert!(Probe::new(Some(u32::MAX)).is_err());
    }
}
