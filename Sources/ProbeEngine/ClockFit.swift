import PacketFormats

/// How a host tells the time in its timestamp replies.
public enum ClockForm: Hashable, Sendable, BitwiseCopyable {
    /// Milliseconds since midnight UT in network order (RFC 792).
    case standard
    /// The same with its octets in the wrong order.
    case littleEndian
    /// Something else, or nothing: it says nothing about delays.
    case nonStandard
}

/// What a timestamp reply says about the way there and the way back.
public struct RemoteTimestamps: Hashable, Sendable, BitwiseCopyable {
    /// As they stand in the reply.
    public var receive: InternetTimestamp
    /// As it stands in the reply.
    public var transmit: InternetTimestamp
    /// How these two are to be read.
    public var form: ClockForm
    /// Nil where the form is not understood or the kernel did not stamp both ends here.
    public var delays: OneWayDelays?
}

/// The two halves of a round trip, each the middle of all that the clocks allow.
public struct OneWayDelays: Hashable, Sendable, BitwiseCopyable {
    /// The way to the target.
    public var forward: TimeSpan
    /// The way back.
    public var backward: TimeSpan
    /// How far off either may be.
    public var uncertainty: TimeSpan
}

/// Our own stamps around a timestamp reply, of one clock in one epoch.
public struct ClockSample: Hashable, Sendable, BitwiseCopyable {
    /// When the request left and the reply came, in nanoseconds since 1970.
    public var sent: Int64
    /// When the reply came, in nanoseconds since 1970.
    public var received: Int64
    /// Another number after each step of the wall clock: stamps of two epochs are not compared.
    public var epoch: UInt32

    public init(sent: Int64, received: Int64, epoch: UInt32 = 0) {
        self.sent = sent
        self.received = received
        self.epoch = epoch
    }
}

/// Offset and skew of a remote clock out of timestamp replies.
///
/// No packet arrives before it was sent. So the remote clock was, when the request left, at most at the end of the
/// tick that it says the request came in, and, when the reply came, at least at the start of the tick that it says the
/// reply left in. Every reply bounds the remote clock from both sides, and every straight line between all bounds is a
/// clock that explains what was seen (Moon, Skelly and Towsley, INFOCOM 1999, with bounds from both directions). The
/// answers are the ends of that set, so that the truth lies within as long as the remote clock runs evenly, at no more
/// than 1,000 parts in a million beside ours, and cuts its time of day to whole ticks.
///
/// Memory is bounded: the corners of two convex hulls, thinned out when they are many (which only widens the answers),
/// and the last 1,000 replies for the spread of delays.
public struct ClockFit: Sendable {
    /// The form that most replies had.
    public private(set) var form = ClockForm.standard
    /// How often no line explained all replies, because a clock was set or did not run evenly; each time a new line
    /// began.
    public private(set) var restarts: UInt64 = 0
    /// How long the remote clock is taken to stand still between two ticks: a millisecond, unless its times have a
    /// coarser grain or a millisecond explains nothing.
    public var tick: TimeSpan {
        let isSeen = seen.count >= Self.fewTimes
        return TimeSpan(nanoseconds: max(shortestTick, isSeen ? seen.grain : Self.millisecond))
    }
    private var shortestTick = Self.millisecond
    private var seen = RemoteTimes()

    private var line = Line()
    /// Replies of each form: standard, little-endian, other.
    private var forms: (standard: UInt64, littleEndian: UInt64, nonStandard: UInt64) = (0, 0, 0)
    private var previousLineWasShort = false

    /// A clock that nothing is known of yet.
    public init() {}

    /// Takes a reply and says what is known of its two ways by now. O(corners of the hulls).
    ///
    /// - Parameter sample: nil where this host lacks a stamp; the remote ones are then shown and nothing else.
    public mutating func take(
        _ sample: ClockSample?, receive: InternetTimestamp, transmit: InternetTimestamp
    ) -> RemoteTimestamps {
        let own = classify(receive, transmit)
        var result = RemoteTimestamps(receive: receive, transmit: transmit, form: own)
        guard own == form, own != .nonStandard, let sample, sample.received >= sample.sent else { return result }
        var bounds = bounds(of: sample, receive, transmit)
        if line.samples > 0, sample.epoch != line.epoch { line = Line() }
        line.add(bounds, epoch: sample.epoch)
        if line.slopes(tick.nanoseconds) == nil { repair(&bounds, epoch: sample.epoch) }
        result.delays = line.delays(of: bounds, tick: tick.nanoseconds)
        return result
    }

    /// What is known now; nil before the first reply that says anything.
    public var estimate: ClockEstimate? {
        guard max(forms.standard, forms.littleEndian, forms.nonStandard) > 0 else { return nil }
        return ClockEstimate(form: form, restarts: restarts, tick: tick, fit: line.fit(tick: tick.nanoseconds))
    }

    /// No line explains this reply and the ones before: the remote clock was set, or its ticks are longer than thought.
    /// A clock with long ticks contradicts itself again and again, one that was set does so once.
    private mutating func repair(_ bounds: inout Bounds, epoch: UInt32) {
        let isShort = line.samples <= Self.shortLine
        if isShort, previousLineWasShort {
            var longer = tick.nanoseconds
            while longer < Self.longestTick {
                longer *= 2
                guard line.slopes(longer) == nil else {
                    shortestTick = longer
                    return
                }
            }
        }
        previousLineWasShort = isShort
        restarts += 1
        line = Line()
        // A clock that leaps on and on in one direction would be days ahead soon, and at last out of the numbers' range.
        let days = bounds.ceiling - Self.wrapped(bounds.ceiling)
        bounds.ceiling -= days
        bounds.floor -= days
        line.add(bounds, epoch: epoch)
    }

    // MARK: Forms

    /// The form of one reply. Values that fit two forms are taken for the one that the replies had so far.
    private mutating func classify(_ receive: InternetTimestamp, _ transmit: InternetTimestamp) -> ClockForm {
        let isStandard = receive.isTimeOfDay && transmit.isTimeOfDay
        let isSwapped = receive.swapped.isTimeOfDay && transmit.swapped.isTimeOfDay
        let isNothing = receive.rawValue == 0 && transmit.rawValue == 0
        let own: ClockForm
        switch (isStandard && !isNothing, isSwapped && !isNothing) {
        case (true, true): own = form == .littleEndian ? .littleEndian : .standard
        case (true, false): own = .standard
        case (false, true): own = .littleEndian
        case (false, false): own = .nonStandard
        }
        switch own {
        case .standard: forms.standard &+= 1
        case .littleEndian: forms.littleEndian &+= 1
        case .nonStandard: forms.nonStandard &+= 1
        }
        let most = max(forms.standard, forms.littleEndian, forms.nonStandard)
        let prevailing: ClockForm =
            forms.standard == most ? .standard : forms.littleEndian == most ? .littleEndian : .nonStandard
        if prevailing != form {
            form = prevailing
            line = Line()
        }
        return own
    }

    // MARK: Bounds

    /// The bounds that a reply sets to the offset of the remote clock: remote time less ours, in nanoseconds.
    struct Bounds {
        var sent: Int64
        var received: Int64
        /// The start of the tick in which the request arrived, less the time of sending. The offset at the time of
        /// sending is below this and a tick.
        var ceiling: Int64
        /// The start of the tick in which the reply left, less the time of its arrival, where the offset is not below.
        var floor: Int64
    }

    private mutating func bounds(
        of sample: ClockSample, _ receive: InternetTimestamp, _ transmit: InternetTimestamp
    ) -> Bounds {
        let (receive, transmit) =
            form == .littleEndian ? (receive.swapped, transmit.swapped) : (receive, transmit)
        let arrival = Int64(receive.rawValue) * Self.millisecond
        let stay = Self.wrapped((Int64(transmit.rawValue) - Int64(receive.rawValue)) * Self.millisecond)
        // Of the days that the time of day may belong to the one in which the offset changed least.
        let last = line.lastCeiling ?? 0
        seen.add(arrival)
        let ceiling = last + Self.wrapped(arrival - Self.remainder(sample.sent, Self.day) - last)
        return Bounds(
            sent: sample.sent, received: sample.received, ceiling: ceiling,
            floor: ceiling + stay - (sample.received - sample.sent))
    }

    /// Moved by whole days to within half a day of 0.
    private static func wrapped(_ nanoseconds: Int64) -> Int64 {
        remainder(nanoseconds + day / 2, day) - day / 2
    }

    private static func remainder(_ value: Int64, _ divisor: Int64) -> Int64 {
        let remainder = value % divisor
        return remainder < 0 ? remainder + divisor : remainder
    }

    private static let millisecond: Int64 = 1_000_000
    private static let day: Int64 = 86_400_000_000_000
    /// With fewer times than this, a grain may show that is not there; with so many, one of two milliseconds still does by
    /// a chance of one in eight, and a longer one less often.
    private static let fewTimes = 4
    private static let longestTick: Int64 = 64_000_000
    /// Replies within which a clock with long ticks gives itself away.
    private static let shortLine: UInt64 = 64
}

extension InternetTimestamp {
    /// Whether it can be a time of day in the standard form.
    var isTimeOfDay: Bool { rawValue < Self.millisecondsPerDay }

    /// With its octets in the opposite order.
    var swapped: InternetTimestamp { InternetTimestamp(rawValue: rawValue.byteSwapped) }
}

/// What is known of a remote clock and of the two directions at the end of a run.
public struct ClockEstimate: Hashable, Sendable {
    /// What the replies since the last restart tell, nil where they tell nothing.
    public struct Fit: Hashable, Sendable {
        /// Replies that it rests on.
        public var samples: UInt64
        /// From the first to the last of them.
        public var span: TimeSpan
        /// Remote time less ours when the last reply came.
        public var offset: TimeSpan
        /// How far off the offset may be.
        public var offsetUncertainty: TimeSpan
        /// How much faster the remote clock runs, in parts in 10^9.
        public var skew: Int64
        /// How far off the skew may be, in parts in 10^9.
        public var skewUncertainty: Int64
        /// One-way delays to the target.
        public var forward: DelaySpread
        /// One-way delays from the target.
        public var backward: DelaySpread
        /// How far off any one-way delay may be, because nobody knows how the way there differs from the way back.
        public var uncertainty: TimeSpan
        /// What queues added to the least delay of each way (PDV of RFC 5481), to a tick. Offset and asymmetry take no
        /// part in it; skew is told from queues by taking the least delay to be the same all the time.
        public var forwardVariation: DelaySpread
        /// The same of the way back.
        public var backwardVariation: DelaySpread

        /// Whether the run was long enough for the skew to mean anything: quartz is right to about 100 parts in 10^6.
        public var carriesSkew: Bool { skewUncertainty <= 100_000 }
    }

    /// How most replies told the time.
    public var form: ClockForm
    /// As `ClockFit.restarts`.
    public var restarts: UInt64
    /// As `ClockFit.tick`.
    public var tick: TimeSpan
    /// Nil where no reply could be compared with stamps of the kernel.
    public var fit: Fit?
}

/// The delays of one direction, of the last 1,000 replies at most.
public struct DelaySpread: Hashable, Sendable {
    /// The shortest delay.
    public var minimum: TimeSpan
    /// Nearest rank; nil where the sample can't carry it.
    public var p50: TimeSpan?
    /// Nearest rank; nil where the sample can't carry it.
    public var p95: TimeSpan?
    /// The longest delay.
    public var maximum: TimeSpan

    /// Of one value at least.
    init(_ values: [Int64]) {
        let sorted = values.sorted()
        minimum = TimeSpan(nanoseconds: sorted[0])
        maximum = TimeSpan(nanoseconds: sorted[sorted.count - 1])
        func percentile(_ percent: Int) -> TimeSpan? {
            guard sorted.count * (100 - percent) >= 100 else { return nil }
            return TimeSpan(nanoseconds: sorted[(sorted.count * percent + 99) / 100 - 1])
        }
        p50 = percentile(50)
        p95 = percentile(95)
    }
}

/// The times that a remote clock told, and the ticks that all of them may be ticks of.
private struct RemoteTimes: Sendable {
    private(set) var count = 0
    private var first: Int64 = 0
    /// A bit for each of the grains that no time has contradicted.
    private var possible: UInt16 = (1 << UInt16(grains.count)) - 1

    /// Times lie whole ticks apart, cut to milliseconds.
    mutating func add(_ time: Int64) {
        if count == 0 { first = time }
        count = min(count + 1, 1 << 30)
        guard possible != 0 else { return }
        for (index, grain) in Self.grains.enumerated() where possible >> UInt16(index) & 1 == 1 {
            let rest = abs(time - first) % grain
            if min(rest, grain - rest) >= 1_000_000 { possible &= ~(1 << UInt16(index)) }
        }
    }

    /// The coarsest that is possible, in nanoseconds.
    var grain: Int64 {
        guard possible != 0 else { return 1_000_000 }
        return Self.grains[15 - possible.leadingZeroBitCount]
    }

    /// Of the timers that clocks run on, from 500 ticks a second to one; 18.2 is that of the first PC.
    private static let grains: [Int64] = [
        2_000_000, 3_333_333, 4_000_000, 5_000_000, 7_812_500, 8_333_333, 10_000_000, 15_625_000, 16_666_667,
        20_000_000, 50_000_000, 54_925_493, 100_000_000, 1_000_000_000,
    ]
}

/// All straight lines between the bounds: x is our time, y the offset, both in nanoseconds from the first sample.
private struct Line: Sendable {
    private(set) var samples: UInt64 = 0
    private(set) var epoch: UInt32 = 0
    private(set) var lastCeiling: Int64?
    private var start: Int64 = 0
    private var base: Int64 = 0
    /// The corners that an upper bound of the line can touch: a lower convex hull, without the tick.
    private var ceilings: [Corner] = []
    /// The corners that a lower bound can touch: an upper convex hull.
    private var floors: [Corner] = []
    private var recent: [ClockFit.Bounds] = []

    private struct Corner: Sendable {
        var x: Int64
        var y: Int64
    }

    mutating func add(_ bounds: ClockFit.Bounds, epoch: UInt32) {
        if samples == 0 {
            self.epoch = epoch
            start = bounds.sent
            base = bounds.ceiling
        }
        lastCeiling = bounds.ceiling
        Self.insert(Corner(x: bounds.sent - start, y: bounds.ceiling - base), sign: 1, into: &ceilings)
        Self.insert(Corner(x: bounds.received - start, y: bounds.floor - base), sign: -1, into: &floors)
        if recent.count < Self.window {
            recent.append(bounds)
        } else {
            recent[Int(samples % UInt64(Self.window))] = bounds
        }
        samples += 1
    }

    /// Adds a corner to a hull that is open upwards (sign 1) or downwards (sign -1). What comes out of order is left
    /// out, which can only widen the answers.
    private static func insert(_ corner: Corner, sign: Int128, into hull: inout [Corner]) {
        if let last = hull.last {
            guard corner.x >= last.x else { return }
            if corner.x == last.x {
                guard Int128(corner.y - last.y) * sign < 0 else { return }
                hull.removeLast()
            }
        }
        while hull.count >= 2 {
            let (a, b) = (hull[hull.count - 2], hull[hull.count - 1])
            let turn =
                Int128(b.x - a.x) * Int128(corner.y - a.y) - Int128(b.y - a.y) * Int128(corner.x - a.x)
            guard turn * sign <= 0 else { break }
            hull.removeLast()
        }
        hull.append(corner)
        if hull.count > maximumCorners {
            hull = hull.indices.filter { $0 % 2 == 0 || $0 == hull.count - 1 }.map { hull[$0] }
        }
    }

    // MARK: Slopes

    /// The least and the greatest slope of a line between the bounds, nil when there is no line.
    func slopes(_ tick: Int64) -> ClosedRange<Double>? {
        guard let low = slope(from: -Self.steepest, tick), let high = slope(from: Self.steepest, tick), low <= high
        else { return nil }
        return low...high
    }

    /// The room between the bounds is a concave function of the slope: Newton's method from outside meets its zero
    /// after as many steps as the hulls have corners at most, and never passes it.
    private func slope(from outside: Double, _ tick: Int64) -> Double? {
        var slope = outside
        for _ in 0...(ceilings.count + floors.count) {
            let (ceiling, left) = ceiling(slope, tick)
            let (floor, right) = floor(slope)
            let room = ceiling - floor
            if room >= -Self.rounding { return slope }
            // How the room changes with the slope.
            let change = Double(right - left)
            guard outside < 0 ? change > 0 : change < 0 else { return nil }
            slope -= room / change
            guard abs(slope) <= Self.steepest else { return nil }
        }
        return slope
    }

    /// The highest line of that slope at x = 0, and where it touches.
    private func ceiling(_ slope: Double, _ tick: Int64) -> (y: Double, x: Int64) {
        var best = (y: Double.infinity, x: Int64(0))
        for corner in ceilings {
            let y = Double(corner.y + tick) - slope * Double(corner.x)
            if y < best.y { best = (y, corner.x) }
        }
        return best
    }

    /// The lowest line of that slope at x = 0, and where it touches.
    private func floor(_ slope: Double) -> (y: Double, x: Int64) {
        var best = (y: -Double.infinity, x: Int64(0))
        for corner in floors {
            let y = Double(corner.y) - slope * Double(corner.x)
            if y > best.y { best = (y, corner.x) }
        }
        return best
    }

    // MARK: Offsets

    /// The least and the greatest offset at a moment, of all lines with these slopes.
    private func offsets(at x: Int64, _ slopes: ClosedRange<Double>, _ tick: Int64) -> (low: Int64, high: Int64) {
        // The highest line at x lies on the edge of the hull over x, if it may be so steep.
        let highest = Self.slope(of: ceilings, at: x, beyond: .infinity).clamped(to: slopes)
        let lowest = Self.slope(of: floors, at: x, beyond: -.infinity).clamped(to: slopes)
        let high = ceiling(highest, tick).y + highest * Double(x)
        let low = floor(lowest).y + lowest * Double(x)
        let (down, up) = (min(low, high) - Self.rounding, max(low, high) + Self.rounding)
        return (base &+ Int64(down.rounded(.down)), base &+ Int64(up.rounded(.up)))
    }

    /// The slope of the hull's edge at x; behind its last corner `beyond`, before its first one the opposite.
    private static func slope(of hull: [Corner], at x: Int64, beyond: Double) -> Double {
        guard let next = hull.firstIndex(where: { $0.x >= x }) else { return beyond }
        guard next > 0 else { return -beyond }
        let (a, b) = (hull[next - 1], hull[next])
        return Double(b.y - a.y) / Double(b.x - a.x)
    }

    // MARK: Delays

    func delays(of bounds: ClockFit.Bounds, tick: Int64) -> OneWayDelays? {
        slopes(tick).map { delays(of: bounds, $0, tick) }
    }

    private func delays(
        of bounds: ClockFit.Bounds, _ slopes: ClosedRange<Double>, _ tick: Int64
    ) -> OneWayDelays {
        let trip = bounds.received - bounds.sent
        // The clocks run apart between the end of the way at which the offset is taken and the other one.
        let drift = Int64((Double(trip) * max(abs(slopes.lowerBound), abs(slopes.upperBound))).rounded(.up))
        let there = offsets(at: bounds.sent - start, slopes, tick)
        let back = offsets(at: bounds.received - start, slopes, tick)
        func middle(_ low: Int64, _ high: Int64) -> (TimeSpan, Int64) {
            // Neither way takes less than nothing or longer than both.
            let low = min(max(0, low - drift), trip)
            let half = (min(max(low, high + drift), trip) - low + 1) / 2
            return (TimeSpan(nanoseconds: low + half), half)
        }
        let (forward, one) = middle(bounds.ceiling - there.high, bounds.ceiling + tick - there.low)
        let (backward, other) = middle(back.low - bounds.floor - tick, back.high - bounds.floor)
        return OneWayDelays(
            forward: forward, backward: backward, uncertainty: TimeSpan(nanoseconds: max(one, other)))
    }

    /// O(replies kept times corners).
    func fit(tick: Int64) -> ClockEstimate.Fit? {
        guard samples > 0, let slopes = slopes(tick) else { return nil }
        let last = recent[Int((samples - 1) % UInt64(Self.window))].received - start
        let offsets = offsets(at: last, slopes, tick)
        let half = (offsets.high - offsets.low + 1) / 2
        let delays = recent.map { self.delays(of: $0, slopes, tick) }
        let (low, high) = (slopes.lowerBound * 1e9, slopes.upperBound * 1e9)
        let variation = variation(slopes, tick)
        return ClockEstimate.Fit(
            samples: samples, span: TimeSpan(nanoseconds: last), offset: TimeSpan(nanoseconds: offsets.low + half),
            offsetUncertainty: TimeSpan(nanoseconds: half), skew: Int64(((low + high) / 2).rounded()),
            skewUncertainty: Int64(((high - low) / 2).rounded(.up)) + 1,
            forward: DelaySpread(delays.map(\.forward.nanoseconds)),
            backward: DelaySpread(delays.map(\.backward.nanoseconds)),
            uncertainty: delays.map(\.uncertainty).max() ?? .zero, forwardVariation: variation.forward,
            backwardVariation: variation.backward)
    }

    /// How the delays differ when one line tells them all. O(replies kept times corners).
    private func variation(
        _ slopes: ClosedRange<Double>, _ tick: Int64
    ) -> (forward: DelaySpread, backward: DelaySpread) {
        let slope = likeliestSlope(tick).clamped(to: slopes)
        let height = (ceiling(slope, tick).y + floor(slope).y) / 2
        func offset(_ time: Int64) -> Int64 { base &+ Int64((height + slope * Double(time - start)).rounded()) }
        func spread(_ low: (ClockFit.Bounds) -> Int64) -> DelaySpread {
            let values = recent.map { bounds in
                // Between the two ends of a tick, and of that what can be true.
                let (trip, low) = (bounds.received - bounds.sent, low(bounds))
                return (min(max(0, low), trip) + min(max(0, low + tick), trip)) / 2
            }
            let least = values.min() ?? 0
            return DelaySpread(values.map { $0 - least })
        }
        return (
            spread { $0.ceiling - offset($0.sent) }, spread { offset($0.received) - $0.floor - tick }
        )
    }

    /// The slope under which the delays of the steadier way are least altogether: that of its hull's edge in the middle
    /// of the replies (Moon, Skelly and Towsley). None, where the run is too short to tell skew from a tick.
    private func likeliestSlope(_ tick: Int64) -> Double {
        let times = recent.map(\.sent)
        guard let first = times.min(), let last = times.max(), last > first else { return 0 }
        let span = Double(last - first)
        func mean(_ values: [Int64]) -> Double { values.reduce(0) { $0 + Double($1) / Double(values.count) } }
        let up = recent.map { (x: $0.sent - start, y: $0.ceiling - base) }
        let down = recent.map { (x: $0.received - start, y: $0.floor - base) }
        let (ahead, behind) = (Int64(mean(up.map(\.x))), Int64(mean(down.map(\.x))))
        let (rise, fall) = (
            Self.slope(of: ceilings, at: ahead, beyond: 0), Self.slope(of: floors, at: behind, beyond: 0)
        )
        let above = mean(up.map(\.y)) - rise * Double(ahead) - ceiling(rise, 0).y
        let below = floor(fall).y - mean(down.map(\.y)) + fall * Double(behind)
        let (slope, noise) = above <= below ? (rise, above) : (fall, below)
        return (Double(tick) + noise) / span <= Self.quartz ? slope : 0
    }

    /// How far a clock of quartz is off, at worst.
    private static let quartz = 1e-4
    private static let window = 1_000
    private static let maximumCorners = 256
    /// A clock that runs at another speed than this counts as one that was set.
    private static let steepest = 1e-3
    /// Nanoseconds that a sum of floating-point numbers may be off.
    private static let rounding = 1.0
}

extension Double {
    fileprivate func clamped(to range: ClosedRange<Double>) -> Double {
        Swift.min(Swift.max(self, range.lowerBound), range.upperBound)
    }
}
