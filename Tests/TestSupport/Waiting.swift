import LinuxSockets

extension DescriptorOwner where Self: ~Copyable {
    /// Waits until the descriptor is ready for one of these; throws `timedOut` after `seconds`.
    public func wait(for readiness: Poller.Readiness, seconds: Int64 = 10) throws(Errno) {
        var poller = try Poller()
        try poller.add(self, token: 0, interest: readiness)
        let deadline = SystemClock.monotonic.now + seconds * 1_000_000_000
        while true {
            let left = (deadline - SystemClock.monotonic.now) / 1_000_000
            guard left > 0 else { throw .timedOut }
            try poller.wait(timeoutMilliseconds: Int32(clamping: left))
            for index in 0..<poller.count where !poller.event(at: index).readiness.isDisjoint(with: readiness) {
                return
            }
        }
    }
}
