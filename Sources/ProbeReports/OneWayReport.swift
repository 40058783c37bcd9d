import PacketFormats
import ProbeEngine

extension ReportBuffer {
    /// Appends what a timestamp reply says of both ways: ` fwd=0.412 ret=0.398 ms +/- 0.541`.
    mutating func append(_ timestamps: RemoteTimestamps) {
        if let delays = timestamps.delays {
            append(" fwd=")
            append(shortMilliseconds: delays.forward)
            append(" ret=")
            append(shortMilliseconds: delays.backward)
            append(" ms +/- ")
            append(shortMilliseconds: delays.uncertainty)
        }
        switch timestamps.form {
        case .standard: break
        case .littleEndian: append(" (remote time in little-endian order)")
        case .nonStandard: append(" (remote time not in standard form)")
        }
    }

    /// Appends the rows of a summary about the two ways and the remote clock.
    mutating func append(_ clock: ClockEstimate) {
        if let fit = clock.fit {
            append("one-way: forward ")
            append(milliseconds: fit.forward.p50 ?? fit.forward.maximum)
            append(", return ")
            append(milliseconds: fit.backward.p50 ?? fit.backward.maximum)
            append(" ms +/- ")
            append(milliseconds: fit.uncertainty)
            append("; clock offset ")
            append(signed: fit.offset)
            append(" +/- ")
            append(milliseconds: fit.offsetUncertainty)
            append(" ms")
            if fit.carriesSkew {
                // Parts in 10^9 are to parts in 10^6 what nanoseconds are to microseconds.
                append(", skew ")
                append(signed: TimeSpan(nanoseconds: fit.skew * 1_000))
                append(" +/- ")
                append(milliseconds: TimeSpan(nanoseconds: fit.skewUncertainty * 1_000))
                append(" ppm")
            }
            append("\n")
            if fit.samples > 1 { appendVariation(fit, tick: clock.tick) }
        } else if clock.form != .nonStandard {
            append("one-way: unknown without the kernel's time stamps\n")
        }
        switch clock.form {
        case .standard: break
        case .littleEndian: append("remote clock in little-endian order\n")
        case .nonStandard: append("remote clock not in standard form: no one-way delays\n")
        }
        if clock.restarts > 0 {
            append("a clock was set or ran unevenly: fitted anew ")
            append(decimal: clock.restarts)
            append(clock.restarts == 1 ? " time\n" : " times\n")
        }
    }

    private mutating func appendVariation(_ fit: ClockEstimate.Fit, tick: TimeSpan) {
        append("variation ")
        append(fit.forward.p50 == nil ? "max" : fit.forward.p95 == nil ? "p50/max" : "p50/p95/max")
        append(": forward ")
        append(fit.forwardVariation)
        append(", return ")
        append(fit.backwardVariation)
        append(" ms, to a tick of ")
        append(milliseconds: tick)
        append(" ms\n")
    }

    private mutating func append(signed span: TimeSpan) {
        if span.nanoseconds >= 0 { append("+") }
        append(milliseconds: span)
    }

    private mutating func append(_ spread: DelaySpread) {
        for value in [spread.p50, spread.p95] {
            guard let value else { continue }
            append(milliseconds: value)
            append("/")
        }
        append(milliseconds: spread.maximum)
    }
}

extension JSONLine {
    /// Adds what a timestamp reply says of both ways.
    mutating func add(_ timestamps: RemoteTimestamps) {
        add("remote_receive", timestamps.receive.rawValue)
        add("remote_transmit", timestamps.transmit.rawValue)
        add("remote_clock", timestamps.form.word)
        guard let delays = timestamps.delays else { return }
        add("forward_ns", delays.forward.nanoseconds)
        add("return_ns", delays.backward.nanoseconds)
        add("uncertainty_ns", delays.uncertainty.nanoseconds)
    }

    /// Adds the member of a summary about the two ways and the remote clock.
    mutating func add(_ clock: ClockEstimate?) {
        guard let clock else { return addNull("direction") }
        add(
            "direction",
            object: { line in
                line.add("remote_clock", clock.form.word)
                line.add("tick_ns", clock.tick.nanoseconds)
                line.add("restarts", clock.restarts)
                guard let fit = clock.fit else { return }
                line.add("samples", fit.samples)
                line.add("span_ns", fit.span.nanoseconds)
                line.add("offset_ns", fit.offset.nanoseconds)
                line.add("offset_uncertainty_ns", fit.offsetUncertainty.nanoseconds)
                line.add("skew_ppb", optional: fit.carriesSkew ? fit.skew : nil)
                line.add("skew_uncertainty_ppb", optional: fit.carriesSkew ? fit.skewUncertainty : nil)
                line.add("uncertainty_ns", fit.uncertainty.nanoseconds)
                line.add("forward", object: { $0.add(fit.forward) })
                line.add("return", object: { $0.add(fit.backward) })
                line.add("forward_variation", object: { $0.add(fit.forwardVariation) })
                line.add("return_variation", object: { $0.add(fit.backwardVariation) })
            })
    }

    private mutating func add(_ spread: DelaySpread) {
        add("min_ns", spread.minimum.nanoseconds)
        if let value = spread.p50 { add("p50_ns", value.nanoseconds) }
        if let value = spread.p95 { add("p95_ns", value.nanoseconds) }
        add("max_ns", spread.maximum.nanoseconds)
    }
}

extension ClockForm {
    /// As it stands in a line.
    fileprivate var word: String {
        switch self {
        case .standard: "standard"
        case .littleEndian: "little_endian"
        case .nonStandard: "non_standard"
        }
    }
}
