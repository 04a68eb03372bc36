//! What the flow `proxy` costs, side by side with nginx and haproxy set up for the same job: CPU time for each request and
//! each message, added latency, and memory for each idle socket.
//!
//! All run on one core, the visitors and the tenant on another; contenders take turns in short rounds, and each is compared
//! with the reference within its round. `docs/performance.md` has the figures, how to read them, and how to take them on a
//! busy machine. Limits are those that were promised for the product; one that is exceeded is marked.

mod contenders;
mod frames;
mod load;
mod memory;
mod process;
mod table;
mod tenant;
mod work;

use std::path::PathBuf;

use clap::Parser;
use contenders::{Contender, Encryption, Running};
use load::Visitor;
use table::{Row, Sample};
use tenant::Tenant;
use work::Unit;

#[derive(Parser)]
struct Arguments {
    /// What `cargo bench` says; without it, as with --quick
    #[arg(long)]
    bench: bool,
    /// One short round, only to see that it runs
    #[arg(long)]
    quick: bool,
    /// Rounds that count
    #[arg(long, default_value_t = 21)]
    rounds: usize,
    /// Nothing but these: json, links, file, echo-200, echo-16k, message-1m, latency, idle, cycles
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Only with TLS towards the tenant, or only without: tls, plain
    #[arg(long, value_name = "HOW")]
    to_tenant: Option<String>,
    /// Another build of the product, to see what a change has brought
    #[arg(long, value_name = "BINARY")]
    also: Option<PathBuf>,
    /// Nobody but these: nginx, nginx-64k, haproxy, product, other
    #[arg(long, value_delimiter = ',')]
    contenders: Vec<String>,
    /// Cores are left to the scheduler
    #[arg(long)]
    all_cores: bool,
}

impl Arguments {
    fn is_quick(&self) -> bool {
        self.quick || !self.bench
    }

    fn asks_for(&self, key: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == key)
    }

    fn encryptions(&self) -> Vec<Encryption> {
        let asked = |encryption: &Encryption| {
            self.to_tenant.as_ref().is_none_or(|only| only.eq_ignore_ascii_case(encryption.name()))
        };
        [Encryption::Plain, Encryption::Tls].into_iter().filter(asked).collect()
    }

    /// Who takes part; who cannot, is named.
    fn contenders(&self) -> Vec<Contender> {
        let mut all = vec![
            Contender::Nginx,
            Contender::NginxLarge,
            Contender::Haproxy,
            Contender::Product(contenders::shipped()),
        ];
        // It is started in a folder of its own.
        let also = self.also.as_ref().map(|binary| binary.canonicalize().expect("--also names a file"));
        all.extend(also.map(Contender::Product));
        all.retain(|contender| {
            self.contenders.is_empty() || self.contenders.iter().any(|only| only == contender.key())
        });
        all.retain(|contender| match contender.absent() {
            Some(reason) => {
                println!("without {}: {reason}", contender.name());
                false
            }
            None => true,
        });
        all
    }
}

fn main() {
    let arguments = Arguments::parse();
    load::raise_descriptors();
    if !arguments.all_cores {
        process::take_cores();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(run(&arguments));
}

async fn run(arguments: &Arguments) {
    let folder = tempfile::tempdir().expect("a folder");
    let tenant = Tenant::start(folder.path()).await;
    let contenders = arguments.contenders();
    let mut kept = true;
    for encryption in arguments.encryptions() {
        kept &= cpu(arguments, &contenders, &tenant, encryption).await;
        let (counts, times): (&[usize], _) = if arguments.is_quick() { (&[50], 64) } else { (&[2000, 9500], 1000) };
        if arguments.asks_for("idle") {
            kept &= memory::idle(&contenders, &tenant, encryption, counts).await;
        }
        if arguments.asks_for("cycles") {
            kept &= memory::cycles(&contenders, &tenant, encryption, times).await;
        }
    }
    if !kept && !arguments.is_quick() {
        println!("Some figures are ABOVE their limits.");
    }
}

/// All units of work, all contenders running beside each other.
async fn cpu(arguments: &Arguments, contenders: &[Contender], tenant: &Tenant, encryption: Encryption) -> bool {
    let units: Vec<_> = work::units().into_iter().filter(|unit| arguments.asks_for(unit.key)).collect();
    if units.is_empty() {
        return true;
    }
    let mut running = Vec::with_capacity(contenders.len());
    for contender in contenders {
        running.push(contender.start(tenant, encryption).await);
    }
    let direct = Visitor::new(tenant.plain, "");
    let mut kept = true;
    for unit in units {
        let (rounds, times) = if arguments.is_quick() { (1, 64) } else { (arguments.rounds, unit.times) };
        let samples = measure(&unit, &running, &direct, rounds, times).await;
        let row = |(contender, samples): (&Contender, Vec<Sample>)| Row {
            name: contender.name(),
            is_product: contender.is_product(),
            samples,
        };
        let rows: Vec<_> = contenders.iter().zip(samples).map(row).collect();
        let reference = contenders.iter().position(|contender| *contender == unit.reference);
        let columns = if unit.is_latency() { ["p99 us", "p50 us"] } else { ["CPU us", "busy %"] };
        let title = format!("{}: {}", encryption.name(), unit.name);
        kept &= table::print(&title, columns, &rows, reference, (unit.limit)(encryption));
    }
    kept
}

/// One list of turns for each contender.
async fn measure(unit: &Unit, running: &[Running], direct: &Visitor, rounds: usize, times: usize) -> Vec<Vec<Sample>> {
    let mut samples = vec![Vec::with_capacity(rounds); running.len()];
    for round in 0..=rounds {
        for turn in 0..running.len() {
            let place = (turn + round) % running.len(); // nobody is always first
            let sample = unit.turn(&running[place], direct, times).await;
            if round > 0 {
                samples[place].push(sample); // the first is for caches to fill
            }
        }
    }
    samples
}
