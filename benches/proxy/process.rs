//! A program under measurement: its CPU time, its memory, its threads and descriptors. It ends when this one does.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Where servers are installed; not everybody's own path has it.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Where this program runs, and where those that it starts do: on the first and the last core that it may use.
static CORES: OnceLock<[CpuSet; 2]> = OnceLock::new();

/// Keeps this thread, and the programs that it starts from now on, each to one core.
pub fn take_cores() {
    let allowed = sched_getaffinity(None).expect("Linux");
    let cores: Vec<_> = (0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core)).collect();
    let [first, .., last] = cores[..] else { panic!("visitors and servers need a core each; --all-cores shares one") };
    let only = |core| {
        let mut one = CpuSet::new();
        one.set(core);
        one
    };
    stay(&CORES.get_or_init(|| [only(first), only(last)])[0]);
}

fn stay(on: &CpuSet) {
    sched_setaffinity(None, on).expect("a core of our own set");
}

/// A program under measurement.
pub struct Process {
    child: Child,
    /// Whose work is measured: the program, or its one worker.
    measured: u32,
    log: PathBuf,
}

/// What it has at a moment.
#[derive(Clone, Copy)]
pub struct Holdings {
    /// Resident memory in KiB.
    pub resident: u64,
    pub threads: usize,
    pub descriptors: usize,
}

impl Process {
    /// Starts it with nothing in its environment but these.
    pub fn start(program: &Path, arguments: &[&str], env: &[(&str, String)], folder: &Path) -> Self {
        let log = folder.join("log");
        let output = File::create(&log).expect("a new file");
        if let Some([_, theirs]) = CORES.get() {
            stay(theirs); // it inherits that
        }
        // Whatever ends this program ends that one too.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", "--"])
            .arg(program)
            .args(arguments)
            .env_clear()
            .envs(env.iter().map(|(name, value)| (name, value)))
            .env("PATH", PATH)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(output)
            .spawn()
            .unwrap_or_else(|problem| panic!("setpriv (of util-linux) cannot be started: {problem}"));
        if let Some([ours, _]) = CORES.get() {
            stay(ours);
        }
        let measured = child.id();
        Self { child, measured, log }
    }

    /// From now on the work of its one child is measured, as with nginx, whose first process only watches.
    pub fn measure_worker(&mut self) {
        let path = format!("/proc/{0}/task/{0}/children", self.child.id());
        let children = fs::read_to_string(path).expect("Linux with CONFIG_PROC_CHILDREN");
        self.measured = children.split_whitespace().next().and_then(|id| id.parse().ok()).expect("a worker");
    }

    /// What it said, for a message about its failure.
    pub fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|ended| ended.is_some())
    }

    /// Nanoseconds on a processor so far, for each thread (`/proc/PID/stat` only counts in steps of 10 ms).
    pub fn cpu(&self) -> Cpu {
        let threads = fs::read_dir(format!("/proc/{}/task", self.measured)).expect("it runs");
        let cpu = threads.filter_map(|thread| {
            let thread = thread.ok()?;
            let schedstat = fs::read_to_string(thread.path().join("schedstat")).ok()?;
            let nanoseconds = schedstat.split(' ').next()?.parse().ok()?;
            Some((thread.file_name().to_str()?.parse().ok()?, nanoseconds))
        });
        Cpu(cpu.collect())
    }

    pub fn holdings(&self) -> Holdings {
        let proc = PathBuf::from(format!("/proc/{}", self.measured));
        let status = fs::read_to_string(proc.join("status")).expect("it runs");
        let resident =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok());
        let count = |what| fs::read_dir(proc.join(what)).expect("it runs").count();
        Holdings { resident: resident.expect("a number"), threads: count("task"), descriptors: count("fd") }
    }
}

pub struct Cpu(BTreeMap<u32, u64>);

impl Cpu {
    /// Microseconds since then.
    pub fn since(&self, before: &Self) -> f64 {
        let spent = |(thread, after): (&u32, &u64)| after - before.0.get(thread).unwrap_or(&0);
        self.0.iter().map(spent).sum::<u64>() as f64 / 1e3
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", self.said());
        }
        kill_process(Pid::from_child(&self.child), Signal::TERM).ok();
        let patience = Instant::now() + Duration::from_secs(5);
        while !self.has_ended() && Instant::now() < patience {
            thread::sleep(Duration::from_millis(10));
        }
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
