//! The figures that a contender is asked, by iperf3 and wrk, and the cycles that a request takes.

use super::super::lab::{Daemon, LabError, Seat, stream};
use super::contender::Contender;
use super::net::Net;

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Figure {
    /// One TCP connection's bytes from client to origin.
    BulkUp,
    /// The other way round.
    BulkDown,
    /// Connections that carry one request of HTTP each.
    Connections,
    /// Requests on connections that stay.
    Requests,
}

/// Connections of wrk at once.
const AT_ONCE: usize = 64;
/// Ticks in a second of `/proc` (`USER_HZ`, proc(5)).
const TICKS_PER_S: f64 = 100.0;

impl Figure {
    /// All, in the order of a round.
    pub const ALL: [Self; 4] = [Self::BulkUp, Self::BulkDown, Self::Connections, Self::Requests];

    /// As rows name it, and its unit.
    pub const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::BulkUp => ("bulk_up", "Gbit/s"),
            Self::BulkDown => ("bulk_down", "Gbit/s"),
            Self::Connections => ("connections", "a second"),
            Self::Requests => ("requests", "a second"),
        }
    }

    /// Connections at once.
    pub const fn flows(self) -> usize {
        match self {
            Self::BulkUp | Self::BulkDown => 1,
            Self::Connections | Self::Requests => AT_ONCE,
        }
    }

    /// Measures it for so many seconds.
    ///
    /// # Errors
    /// `NotThere`, `Refused`, `Unreadable`.
    pub fn take(self, net: &Net, contender: Contender, seconds: u32) -> Result<f64, LabError> {
        let (host, web, bulk) = contender.doors();
        match self {
            Self::BulkUp => stream(net.client_seat(), host, bulk, &["--time", &seconds.to_string()]),
            Self::BulkDown => {
                stream(net.client_seat(), host, bulk, &["--reverse", "--time", &seconds.to_string()])
            }
            Self::Connections => ask(net.client_seat(), host, web, &["-H", "Connection: close"], seconds),
            Self::Requests => ask(net.client_seat(), host, web, &[], seconds),
        }
    }
}

/// Requests a second by wrk.
fn ask(seat: Seat<'_>, host: &str, port: u16, more: &[&str], seconds: u32) -> Result<f64, LabError> {
    let (url, span, at_once) = (format!("http://{host}:{port}/"), format!("{seconds}s"), AT_ONCE.to_string());
    let words = ["taskset", "-c", seat.cpus, "wrk", "-t", "1", "-c", &at_once, "-d", &span];
    let printed = seat.host.run(&[&words, more, &[&url]].concat())?;
    answered(&printed).ok_or(LabError::Unreadable("wrk".to_owned(), printed))
}

/// The rate of wrk's report; none where requests failed.
fn answered(printed: &str) -> Option<f64> {
    let field =
        |name: &str| printed.lines().find_map(|line| line.trim().strip_prefix(name)?.trim().parse().ok());
    let has_failed = printed.lines().any(|line| line.trim().starts_with("Non-2xx"));
    field("Requests/sec:").filter(|rate| *rate > 0.0 && !has_failed)
}

/// A running count of what the proxy's CPU did.
#[derive(Clone, Copy)]
pub struct Work {
    /// Clock cycles of use: byway's turns that found something to do, else all that the CPU was not idle.
    cycles: f64,
    /// Those that byway's worker spent outside system calls, which are its driver's; polls of empty queues are among them.
    own: Option<f64>,
}

impl Work {
    /// As it stands now.
    ///
    /// # Errors
    /// `Unreadable`, `Refused`.
    pub fn of(net: &Net, contender: Contender, daemon: &Daemon) -> Result<Self, LabError> {
        let hz = cycles_hz()?;
        if !contender.is_byway() {
            let cycles = busy_ticks(&read("/proc/stat")?, &net.proxy_cpu) / TICKS_PER_S * hz;
            return Ok(Self { cycles, own: None });
        }
        let metrics = net.byway.run(&["curl", "--silent", "http://127.0.0.1:9180/metrics"])?;
        let cycles = busy_cycles(&metrics).ok_or(LabError::Unreadable("byway".to_owned(), metrics))?;
        Ok(Self { cycles, own: Some(user_ticks(daemon.pid()) / TICKS_PER_S * hz) })
    }

    /// Cycles of a request when `requests` were answered since `earlier`. What byway spends without its driver is at most either
    /// of two counts, the smaller of which is told: turns with work have system calls in them, and time outside of these turns
    /// without work.
    pub fn per_request(self, earlier: Self, requests: f64) -> f64 {
        let useful = self.cycles - earlier.cycles;
        let own = self.own.zip(earlier.own).map_or(useful, |(own, earlier)| own - earlier);
        useful.min(own) / requests
    }
}

/// `byway_busy_cycles_total`, summed over workers.
fn busy_cycles(metrics: &str) -> Option<f64> {
    let values = metrics.lines().filter(|line| line.starts_with("byway_busy_cycles_total"));
    values.map(|line| line.split_whitespace().next_back()?.parse::<f64>().ok()).sum()
}

/// Cycles a second of the constant time stamp counter, as `/proc/cpuinfo` rounds it.
fn cycles_hz() -> Result<f64, LabError> {
    let info = read("/proc/cpuinfo")?;
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix("bogomips")?.split(':').nth(1)?.trim().parse::<f64>().ok());
    // The kernel derives it from the counter: twice its rate in MHz.
    line.map(|bogomips| bogomips / 2.0 * 1e6).ok_or(LabError::Unreadable("/proc/cpuinfo".to_owned(), info))
}

/// Ticks in which a CPU was not idle (`cpuN`: idle and iowait are the fourth and fifth column).
fn busy_ticks(stat: &str, cpu: &str) -> f64 {
    let name = format!("cpu{cpu} ");
    let columns = stat.lines().find_map(|line| line.strip_prefix(&name)).unwrap_or_default();
    let ticks: Vec<f64> = columns.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    // Guest time is part of user time.
    ticks.iter().take(8).sum::<f64>() - ticks.iter().skip(3).take(2).sum::<f64>()
}

/// Time outside system calls of a process's workers.
fn user_ticks(pid: u32) -> f64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let stats = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("stat")).ok());
    stats.filter_map(|stat| worker_time(&stat)).sum()
}

/// `utime` of a `/proc/PID/stat` that is a worker's; the name in parentheses may hold anything.
fn worker_time(stat: &str) -> Option<f64> {
    let (head, rest) = stat.rsplit_once(')')?;
    let is_worker = head.split_once('(')?.1.starts_with("worker-");
    // The field behind the parentheses is the third: utime is the 14th.
    is_worker.then(|| rest.split_whitespace().nth(11)?.parse().ok())?
}

fn read(path: &str) -> Result<String, LabError> {
    std::fs::read_to_string(path).map_err(|error| LabError::Unreadable(path.to_owned(), error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrk_s_rate_is_read_and_failed_answers_make_it_none() {
        let report =
            "Running 1s test @ http://x/\n  8 requests in 1.00s, 1KB read\nRequests/sec:  52391.11\n";
        assert_eq!(answered(report), Some(52_391.11));
        assert_eq!(answered(&format!("{report}  Non-2xx or 3xx responses: 3\n")), None);
        assert_eq!(answered("Requests/sec:      0.00\n"), None);
    }

    #[test]
    fn idle_time_is_no_work() {
        let stat = "cpu  1 1 1 1 1 1 1 1 1 1\ncpu1 10 1 20 1000 500 3 4 2 7 0\n";
        assert_eq!(busy_ticks(stat, "1"), 40.0);
        assert_eq!(busy_ticks(stat, "7"), 0.0);
    }

    #[test]
    fn the_time_of_workers_alone_counts() {
        let numbers: Vec<String> = (4..=52).map(|field| field.to_string()).collect();
        let stat = |name: &str| format!("77 ({name}) R {}", numbers.join(" "));
        assert_eq!(worker_time(&stat("worker-0")), Some(14.0));
        assert_eq!(worker_time(&stat("worker-) (")), Some(14.0));
        assert_eq!(worker_time(&stat("control")), None);
    }

    #[test]
    fn a_request_costs_the_smaller_of_the_two_counts() {
        let work = |cycles, own| Work { cycles, own };
        assert_eq!(work(900.0, Some(500.0)).per_request(work(100.0, Some(100.0)), 8.0), 50.0);
        assert_eq!(work(300.0, Some(5_000.0)).per_request(work(100.0, Some(100.0)), 8.0), 25.0);
        assert_eq!(work(900.0, None).per_request(work(100.0, None), 8.0), 100.0);
    }

    #[test]
    fn busy_cycles_of_all_workers_are_added() {
        let metrics =
            "# HELP x\nbyway_busy_cycles_total{worker=\"0\"} 5\nbyway_busy_cycles_total{worker=\"1\"} 7\n";
        assert_eq!(busy_cycles(metrics), Some(12.0));
    }
}
