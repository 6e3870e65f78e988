use super::clock::Discipline;
use super::*;
use rustix::process::Rlimit;

/// A machine whose kernel says this.
fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Machine) {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let machine = Machine { root: dir.path().to_owned() };
    (dir, machine)
}

fn limit(n: u64) -> Rlimit {
    Rlimit { current: Some(n), maximum: Some(n) }
}

#[test]
fn every_sort_of_trouble_is_told_from_its_absence() {
    let (_a, good) = machine(&[
        ("proc/meminfo", "MemTotal: 8000000 kB\nSwapTotal:       0 kB\n"),
        ("proc/sys/vm/swappiness", "60\n"),
        ("proc/sys/net/core/somaxconn", "4096\n"),
        ("proc/sys/net/ipv4/tcp_mem", "90000\t120000\t180000\n"),
        ("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"),
        ("sys/devices/system/cpu/isolated", "2-3\n"),
        ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n"),
    ]);
    let (_b, bad) = machine(&[
        ("proc/meminfo", "SwapTotal: 2097152 kB\n"),
        ("proc/sys/vm/swappiness", "60\n"),
        ("proc/sys/net/core/somaxconn", "128\n"),
        ("proc/sys/net/ipv4/tcp_mem", "900 1200 1800\n"),
        ("sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n"),
        ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n"),
        ("sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "powersave\n"),
    ]);
    let fast = vec![100; 200];
    let slow = vec![9_000; 200];
    let dead = vec![90_000; 3];
    let pairs = [
        (kernel::version("6.18.5-amd64"), kernel::version("5.10.0-8")),
        (kernel::version("5.15"), kernel::version("4.19.1")),
        (kernel::swap(&good), kernel::swap(&bad)),
        (kernel::huge_pages(&good), kernel::huge_pages(&bad)),
        (limits::accept_queue(&good, 4_096), limits::accept_queue(&bad, 4_096)),
        (limits::tcp_memory(&good, 100_000), limits::tcp_memory(&bad, 100_000)),
        (limits::judge_open_files(limit(1 << 20), 104_608), limits::judge_open_files(limit(65_536), 104_608)),
        (limits::judge_locked_memory(limit(8 << 20), 2), limits::judge_locked_memory(limit(64 << 10), 2)),
        (cores::governor(&good), cores::governor(&bad)),
        (cores::shards(2, 2), cores::shards(3, 2)),
        (disk::judge_space(3 << 30), disk::judge_space(1 << 30)),
        (disk::judge_sync(&fast, false, true), disk::judge_sync(&slow, false, true)),
        (disk::judge_sync(&slow, false, false), disk::judge_sync(&dead, false, true)),
        (disk::judge_sync(&[1], false, true), disk::judge_sync(&fast, true, true)),
        (
            clock::judge(Discipline { synchronised: true, error_us_max: 1_500 }),
            clock::judge(Discipline { synchronised: false, error_us_max: 0 }),
        ),
    ];
    for (well, ill) in pairs {
        assert_eq!((well.state, well.advice.as_str()), (State::Ok, ""), "{well:?}");
        assert!(ill.state > State::Ok && !ill.advice.is_empty(), "{ill:?}");
        assert_eq!(well.name, ill.name);
    }
    assert_eq!(disk::judge_sync(&dead, false, true).state, State::Fail);
    assert_eq!(cores::isolation(&good).value, "2-3");
}

#[test]
fn a_machine_that_says_nothing_is_examined_all_the_same() {
    let (dir, silent) = machine(&[]);
    let needs = Needs {
        data_dir: dir.path().join("not/made/yet"),
        shards: 1,
        cores: 1,
        connections_max: 10,
        database_files_max: 10,
        accept_queue_max: 10,
        waits_for_disk: false,
    };
    let findings = examine(&silent, &needs);
    let names: std::collections::BTreeSet<&str> = findings.iter().map(|finding| finding.name).collect();
    assert_eq!(names.len(), findings.len(), "each once");
    assert!(findings.iter().all(|finding| !finding.value.is_empty()), "{findings:?}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left behind");
    let nowhere = Needs { data_dir: "/proc/self".into(), ..needs };
    let sync = examine(&silent, &nowhere).into_iter().find(|finding| finding.name == "disk sync").unwrap();
    assert_eq!(sync.state, State::Fail, "{sync:?}");
}
