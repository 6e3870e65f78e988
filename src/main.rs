use std::process::ExitCode;
#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;
fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let p = args.iter().position(|a| a == "--config").map(|i| std::path::PathBuf::from(&args[i + 1]));
    let c = axon::app::config::Config::load(p.as_deref(), &[]).unwrap();
    let r = axon::app::serve(&c, |f| {
        println!("{}", f.json())
    });
    if let Err(e) = &r {
        eprintln!("{e}");
    }
    if r.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
