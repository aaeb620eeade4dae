//! Giving memory back to the machine.

/// Returns the free pages of the heap to the kernel. The allocator keeps whatever it ever had, so that an
/// hour with a thousand listeners would be felt for months; walking a heap of ours takes less than a
/// millisecond.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim(3) takes a number, touches only memory that is free, and locks its own arenas.
    unsafe {
        libc::malloc_trim(0);
    }
}
