/// When an `EchoSweep` sends its probes.
public enum Pacing: Hashable, Sendable, BitwiseCopyable {
    /// One probe to each target every interval, on absolute deadlines.
    case periodic
    /// Gaps of exponential distribution with the interval as their mean, drawn from this seed (RFC 2330 section 11.1).
    case poisson(seed: UInt64)
    /// The next probe when the answer to the last one came, or after the interval; never faster than the shortest gap.
    case adaptive
    /// As fast as answers come back, or every interval, whichever is more.
    case flood
}
