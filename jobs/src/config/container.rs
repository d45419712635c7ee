//! How much memory the container that the program runs in may take.

use std::fs;
use std::path::Path;

/// From here on version 1 means that there is no limit.
const NO_LIMIT: u64 = 1 << 60;

/// The smallest limit of the process's control group and of those above it; none where there is none, or no such groups.
/// `root` is the root of the file system.
pub(super) fn memory_limit(root: &Path) -> Option<u64> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let limits = groups.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, group) = (parts.next()?, parts.next()?);
        let (mount, file) = match controllers {
            "" => ("sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|one| one == "memory") => {
                ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => return None,
        };
        limit(&root.join(mount), group.trim_start_matches('/'), file)
    });
    limits.min()
}

/// The smallest number in the files of that name in a group and above it. In a container the group may be called as outside
/// of it, and lie at the top.
fn limit(mount: &Path, group: &str, file: &str) -> Option<u64> {
    let groups = Path::new(group).ancestors();
    let number = |group: &Path| {
        let text = fs::read_to_string(mount.join(group).join(file)).ok()?;
        text.trim().parse::<u64>().ok().filter(|bytes| *bytes < NO_LIMIT)
    };
    groups.filter_map(number).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit_of(files: &[(&str, &str)]) -> Option<u64> {
        let root = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let file = root.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        memory_limit(root.path())
    }

    const SECOND: (&str, &str) = ("proc/self/cgroup", "0::/tasks/one\n");
    const FIRST: (&str, &str) = (
        "proc/self/cgroup",
        "5:cpu,cpuacct:/docker/4f\n4:hugetlb,memory:/docker/4f\n0::/\n",
    );

    #[test]
    fn the_smallest_limit_on_the_way_up_counts() {
        let top = ("sys/fs/cgroup/memory.max", "max\n");
        let middle = ("sys/fs/cgroup/tasks/memory.max", "1073741824\n");
        let own = ("sys/fs/cgroup/tasks/one/memory.max", "2147483648\n");
        assert_eq!(limit_of(&[SECOND, top, middle, own]), Some(1 << 30));
        assert_eq!(limit_of(&[SECOND, top, own]), Some(2 << 30));
        assert_eq!(limit_of(&[SECOND, top]), None);
    }

    #[test]
    fn a_container_may_see_its_group_at_the_top() {
        let top = ("sys/fs/cgroup/memory.max", "536870912\n");
        assert_eq!(limit_of(&[SECOND, top]), Some(512 << 20));
        let top = ("sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n");
        assert_eq!(limit_of(&[FIRST, top]), Some(512 << 20));
    }

    #[test]
    fn version_1_says_no_limit_by_a_large_number() {
        let own = "sys/fs/cgroup/memory/docker/4f/memory.limit_in_bytes";
        assert_eq!(limit_of(&[FIRST, (own, "9223372036854771712\n")]), None);
        assert_eq!(limit_of(&[FIRST, (own, "268435456\n")]), Some(256 << 20));
    }

    #[test]
    fn without_groups_there_is_no_limit() {
        assert_eq!(limit_of(&[]), None);
        assert_eq!(limit_of(&[("proc/self/cgroup", "nonsense")]), None);
    }
}
