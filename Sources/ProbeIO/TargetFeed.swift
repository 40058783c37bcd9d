import LinuxSockets
import PacketFormats
import ProbeEngine

/// Makes targets of expressions beside a loop: of those of the command line and of those that a file has, whose names are
/// resolved as they come.
///
///     let feed = try TargetFeed(expressions, from: reader, usable: transport.versions, beside: resolver)
///     poller.add(feed, token: 3)
///     for entry in feed.nextBatch(atMost: room).entries { ... }
///
/// Addresses, prefixes and ranges go at once and overtake names, unless `keepsOrder`. At most 64 names are on their
/// way, and no line is read while so many are or while nobody has room for more. The threads that ask have the rights of
/// the thread that makes the first call of `nextBatch`: make it after rights were dropped.
public final class TargetFeed: DescriptorOwner {
    /// What is to be appended to the space of targets.
    public struct Entry: Hashable, Sendable {
        /// One address, or those of a prefix's hosts or of a range.
        public var addresses: IPAddressRange
        /// The index of the first of them.
        public var first: UInt32
    }

    /// What became of some expressions.
    public struct Batch: Hashable, Sendable {
        /// In the order of their indexes, which have no gap.
        public var entries: [Entry] = []
        /// How many addresses they have.
        public var count: UInt64 = 0
        public var failures: [Failure] = []
    }

    /// An expression without a target.
    public struct Failure: Hashable, Sendable, CustomStringConvertible {
        /// Where it stands; nil for the command line.
        public var line: Int?
        /// The file as it may be printed, nil for the command line.
        public var file: String?
        public var error: TargetLineError

        /// One line. Let it pass the sanitiser.
        public var description: String {
            guard let file, let line else { return error.description }
            return "\(file), line \(line): \(error)"
        }
    }

    /// The names of the targets that were given by name, as far as they were handed out.
    public private(set) var names = TargetNames()
    /// How many addresses were handed out, from index 0 on.
    public private(set) var count: UInt64
    /// How many expressions had no target.
    public private(set) var failureCount: UInt64 = 0

    private let expressions: [TargetExpression]
    private var nextExpression = 0
    private let reader: TargetReader?
    private let family: IPVersion?
    private let usable: [IPVersion]
    private let zone: UInt32
    private let wantsAllAddresses: Bool
    private let keepsOrder: Bool
    private let resolver: ForwardResolver
    private let poller: Poller
    private var isReaderWatched = false
    /// What was taken and not handed out, from `head` on; `passed` were there before.
    private var slots: [Slot] = []
    private var head = 0
    private var passed = 0
    /// Who waits for a name.
    private var waiting: [ForwardResolver.Question: [Place]] = [:]

    private struct Slot {
        var line: Int?
        /// As it was written.
        var text: String
        var isName = false
        /// Nil as long as the name service hasn't answered.
        var result: Result<[IPAddressRange], TargetLineError>?
    }

    /// Where an answer goes: into the slot of this number, counted from the first that ever was, or behind all of them.
    private struct Place {
        var line: Int?
        var slot: Int?
    }

    /// Readable when `nextBatch` has something to do, and when the companion is readable.
    public var rawDescriptor: Int32 { poller.rawDescriptor }

    /// Throws what the kernel refuses.
    ///
    /// - Parameters:
    ///   - expressions: those of the command line; they come first.
    ///   - reader: the file whose lines come behind them.
    ///   - count: how many targets there are already.
    ///   - family: only addresses of this version of a name, nil for both.
    ///   - usable: versions that probes can be sent over.
    ///   - zone: the interface of link-local addresses for which the name service gives none, 0 to refuse those.
    ///   - allAddresses: of a name, not only the first.
    ///   - keepsOrder: targets come in the order of their expressions, so that they have the same index in another run;
    ///     one slow name makes those behind it wait then.
    ///   - companion: one more descriptor to be readable for, which must live as long as this.
    public init<Companion: DescriptorOwner & ~Copyable>(
        _ expressions: [TargetExpression], from reader: TargetReader?, count: UInt64 = 0, family: IPVersion? = nil,
        usable: [IPVersion], zone: UInt32 = 0, allAddresses: Bool = false, keepsOrder: Bool = false,
        beside companion: borrowing Companion
    ) throws(Errno) {
        self.expressions = expressions
        self.reader = reader
        self.count = count
        self.family = family
        self.usable = usable
        self.zone = zone
        wantsAllAddresses = allAddresses
        self.keepsOrder = keepsOrder
        resolver = try ForwardResolver(threads: Self.mostNames)
        poller = try Poller()
        try poller.add(resolver, token: 0)
        try poller.add(companion, token: 0)
        try watchReader(true)
    }

    /// Whether everything was handed out: no more targets will come.
    public var isFinished: Bool { !hasMore && pendingCount == 0 && head == slots.count }

    /// How many expressions wait for the name service.
    public private(set) var pendingCount = 0

    private var hasMore: Bool { nextExpression < expressions.count || reader.map { !$0.isAtEnd } ?? false }

    /// Takes answers and lines, and returns the targets and failures that they make. Throws what the kernel refuses.
    ///
    /// Call it first, whenever the descriptor is readable, and whenever there is room again: after a full batch nobody is
    /// woken for what else there is.
    ///
    /// - Parameter limit: how many addresses and failures there is room for. The last entry may exceed it: a prefix and the
    ///   addresses of a name stay together.
    public func nextBatch(atMost limit: Int) throws(Errno) -> Batch {
        var batch = Batch()
        while let (question, answer) = resolver.nextAnswer() { take(answer, to: question) }
        handOut(to: &batch, limit)
        while hasMore, hasRoom(in: batch, limit), takeNext() { handOut(to: &batch, limit) }
        try watchReader(hasMore && hasRoom(in: batch, limit))
        return batch
    }

    /// Whether one more expression may be taken.
    private func hasRoom(in batch: Batch, _ limit: Int) -> Bool {
        !isFull(batch, limit) && pendingCount < Self.mostNames && slots.count - head < Self.mostSlots
    }

    private func isFull(_ batch: Batch, _ limit: Int) -> Bool {
        batch.count.addingReportingOverflow(UInt64(batch.failures.count)).partialValue >= UInt64(clamping: limit)
    }

    private func watchReader(_ isWanted: Bool) throws(Errno) {
        guard let reader, isWanted != isReaderWatched else { return }
        if isWanted { try poller.add(reader, token: 0) } else { try poller.remove(reader) }
        isReaderWatched = isWanted
    }

    // MARK: In

    /// Takes the next expression; false when there is none now.
    private func takeNext() -> Bool {
        if nextExpression < expressions.count {
            take(expressions[nextExpression], nil, nil)
            nextExpression += 1
            return true
        }
        switch reader?.nextItem() {
        case nil: return false
        case .mistake(let error, let line): slots.append(Slot(line: line, text: "", result: .failure(error)))
        case .target(let expression, let text, let line): take(expression, text, line)
        }
        return true
    }

    private func take(_ expression: TargetExpression, _ text: String?, _ line: Int?) {
        switch expression {
        case .address(let address): take(IPAddressRange(address.replacingUnspecified), text ?? "\(address)", line)
        case .prefix(let prefix): take(prefix.hosts, text ?? "\(prefix)", line)
        case .range(let range): take(range, text ?? "\(range)", line)
        case .name(let name): ask(name, line)
        }
    }

    private func take(_ range: IPAddressRange, _ text: String, _ line: Int?) {
        let isUsable = usable.contains(range.first.version)
        let error = ResolveError.unknownHost(name: text, reason: Resolver.noUsableAddress)
        slots.append(
            Slot(line: line, text: text, result: isUsable ? .success([range]) : .failure(.target(.noTarget(error)))))
    }

    // MARK: Names

    private func ask(_ name: String, _ line: Int?) {
        let question = ForwardResolver.Question(name: name, family: family)
        let isAsked = waiting[question] != nil
        pendingCount += 1
        waiting[question, default: []].append(Place(line: line, slot: keepsOrder ? passed + slots.count : nil))
        if keepsOrder { slots.append(Slot(line: line, text: name, isName: true)) }
        guard !isAsked, !resolver.lookUp(name, family: family) else { return }
        take(.failure(.unknownHost(name: name, reason: "too many names wait")), to: question)
    }

    private func take(_ answer: Result<[IPAddress], ResolveError>, to question: ForwardResolver.Question) {
        guard let places = waiting.removeValue(forKey: question) else { return }
        pendingCount -= places.count
        let result = answer.flatMap { addresses in choice(addresses, of: question.name) }
            .map { $0.map { IPAddressRange($0) } }.mapError { TargetLineError.target(.noTarget($0)) }
        for place in places {
            if let slot = place.slot {
                slots[slot - passed].result = result
            } else {
                slots.append(Slot(line: place.line, text: question.name, isName: true, result: result))
            }
        }
    }

    private func choice(_ addresses: [IPAddress], of name: String) -> Result<[IPAddress], ResolveError> {
        let first = Resolver.address(of: name, .success(addresses), usable, zone)
        guard wantsAllAddresses else { return first.map { [$0] } }
        return first.map { _ in
            var chosen: [IPAddress] = []
            for address in addresses where usable.contains(address.version) && (zone != 0 || !address.lacksZone) {
                let address = address.lacksZone ? address.inZone(zone) : address.replacingUnspecified
                if !chosen.contains(address) { chosen.append(address) }
            }
            return chosen
        }
    }

    // MARK: Out

    private func handOut(to batch: inout Batch, _ limit: Int) {
        while head < slots.count, !isFull(batch, limit), let result = slots[head].result {
            handOut(result, of: slots[head], to: &batch)
            head += 1
        }
        // What is left moves to the front when it is the smaller part: O(1) in the mean.
        guard head * 2 > slots.count else { return }
        slots.removeFirst(head)
        passed += head
        head = 0
    }

    private func handOut(_ result: Result<[IPAddressRange], TargetLineError>, of slot: Slot, to batch: inout Batch) {
        switch result {
        case .failure(let error): fail(error, slot, &batch)
        case .success(let ranges):
            let needed = ranges.reduce(0) { UInt64(clamping: UInt128($0) + UInt128($1.count)) }
            let room = TargetSpace.maximumCount - count
            guard needed <= room else {
                let error = TargetSpaceFull(needed: needed, available: room)
                return fail(.target(.tooMany(text: slot.text, error)), slot, &batch)
            }
            let first = UInt32(truncatingIfNeeded: count)
            for range in ranges {
                batch.entries.append(Entry(addresses: range, first: UInt32(truncatingIfNeeded: count)))
                count += range.count
            }
            batch.count += needed
            if slot.isName { names.append(slot.text, for: first..<UInt32(truncatingIfNeeded: count)) }
        }
    }

    private func fail(_ error: TargetLineError, _ slot: Slot, _ batch: inout Batch) {
        failureCount += 1
        batch.failures.append(Failure(line: slot.line, file: slot.line == nil ? nil : reader?.name, error: error))
    }

    private static let mostNames = 64
    /// Behind a name that is waited for.
    private static let mostSlots = 4_096
}
