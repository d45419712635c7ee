//! How the process asks the operating system for memory, and when it gives it back.

use std::os::raw::c_long;

use libmimalloc_sys::{mi_option_set, mi_option_t};
use pipeline::lake::AMPLE;

/// Rows of raw objects are many small pieces of text, made on one thread and given up on another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The allocator's option for how long it keeps pages that nobody uses, in milliseconds. The binding names the one
/// that follows it.
const PURGE_DELAY: mi_option_t = libmimalloc_sys::mi_option_use_numa_nodes - 1;
/// Milliseconds for which they are kept where memory is short: work takes up to a sixth longer.
const SHORT_DELAY: c_long = 20;

/// Asks the kernel for pages of their ordinary size. It would clear two megabytes and count them as ours wherever the
/// allocator touches some of them: a third of the memory of a run, for no time gained.
pub(crate) fn refuse_huge_pages() {
    #[cfg(target_os = "linux")]
    // SAFETY: the call sets a flag of this process and reads or writes no memory.
    unsafe {
        let (on, unused): (libc::c_ulong, libc::c_ulong) = (1, 0);
        libc::prctl(libc::PR_SET_THP_DISABLE, on, unused, unused, unused);
    }
}

/// Trades time for memory where only `limit` bytes may be held. From [`AMPLE`] on unused pages are kept for as long as the
/// allocator likes.
pub(crate) fn keep_within(limit: usize) {
    if limit < AMPLE {
        // SAFETY: the allocator reads the option whenever it frees pages; it may be set at any time.
        unsafe { mi_option_set(PURGE_DELAY, SHORT_DELAY) };
    }
}

/// The most memory that the process held until now, in bytes.
pub(crate) fn peak() -> u64 {
    // SAFETY: all zeros are a value of the struct, and the call fills one that is ours.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let unit = if cfg!(target_os = "linux") { 1024 } else { 1 };
    u64::try_from(usage.ru_maxrss).unwrap_or(0) * unit
}

/// Leaves all memory to the end of the process: the allocator would give it back piece by piece before.
pub(crate) fn leave() {
    // SAFETY: as above; negative means never.
    unsafe { mi_option_set(PURGE_DELAY, -1) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_of_memory_is_in_bytes() {
        let held = vec![1_u8; 32 << 20];
        assert!(peak() > 32 << 20, "{}", held.len());
    }

    #[test]
    fn the_option_is_the_one_meant() {
        // SAFETY: reading an option changes nothing.
        let delay = || unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) };
        let usual = delay();
        assert_eq!(usual, 1000, "the usual delay of the allocator");
        keep_within(AMPLE);
        assert_eq!(delay(), usual);
        keep_within(AMPLE - 1);
        assert_eq!(delay(), SHORT_DELAY);
    }
}
