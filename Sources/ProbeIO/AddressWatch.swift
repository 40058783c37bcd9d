import LinuxSockets
import PacketFormats

/// The addresses of named targets, asked for again on an absolute schedule beside a loop.
///
///     let watch = try AddressWatch(names, every: 60_000_000_000, usable: [.v4, .v6], beside: resolver)
///     poller.add(watch, token: 3)
///     while let finding = watch.nextFinding() { ... }
///
/// A target stays with its address as long as that is among the answers, so that names with several addresses in turn
/// don't wander. Its threads have the rights of the thread that makes the first call of `nextFinding`: make it after
/// rights were dropped.
public final class AddressWatch: DescriptorOwner {
    /// A target with a name.
    public struct Name: Hashable, Sendable {
        /// The number of the target, which findings give back.
        public var target: Int
        /// The name as the user wrote it.
        public var text: String
        /// Only addresses of this version are wanted, nil for both.
        public var family: IPVersion?
        /// Where its probes go now.
        public var address: IPAddress

        public init(target: Int, text: String, family: IPVersion?, address: IPAddress) {
            self.target = target
            self.text = text
            self.family = family
            self.address = address
        }
    }

    /// What came out of asking.
    public enum Finding: Hashable, Sendable {
        /// The address is no longer the name's; this one is.
        case moved(target: Int, to: IPAddress)
        /// There is no answer, and for another reason than the last time; the address stays.
        case failed(target: Int, ResolveError)
    }

    private var names: [(name: Name, preferred: IPVersion, failure: ResolveError?)]
    private let usable: [IPVersion]
    private let interval: Int64
    private var next: Int64
    private let timer: Timer
    private let resolver: ForwardResolver
    private let poller: Poller
    /// What was asked and not answered: a dead name server shall not be asked the same again.
    private var asked: Set<ForwardResolver.Question> = []
    private var findings: [Finding] = []

    /// Readable when it is time to ask, when an answer is there, and when the companion is readable.
    public var rawDescriptor: Int32 { poller.rawDescriptor }

    /// Throws what the kernel refuses. The first question is due one interval from now.
    ///
    /// - Parameters:
    ///   - interval: nanoseconds, more than 0.
    ///   - usable: versions that probes can be sent over.
    ///   - companion: one more descriptor to be readable for, which must live as long as this.
    public init<Companion: DescriptorOwner & ~Copyable>(
        _ names: [Name], every interval: Int64, usable: [IPVersion], beside companion: borrowing Companion
    ) throws(Errno) {
        self.names = names.map { ($0, $0.address.version, nil) }
        self.usable = usable
        self.interval = max(1, interval)
        next = SystemClock.monotonic.now + self.interval
        timer = try Timer()
        resolver = try ForwardResolver(threads: Self.threads)
        poller = try Poller()
        try poller.add(timer, token: 0)
        try poller.add(resolver, token: 0)
        try poller.add(companion, token: 0)
        try timer.set(to: next)
    }

    /// Asks what is due, takes the answers that came, and returns the next thing found out; nil when there is none.
    public func nextFinding() -> Finding? {
        if (try? timer.acknowledge()) == true { ask() }
        while let (question, answer) = resolver.nextAnswer() { take(answer, to: question) }
        return findings.isEmpty ? nil : findings.removeFirst()
    }

    private func ask() {
        for (name, _, _) in names {
            let question = ForwardResolver.Question(name: name.text, family: name.family)
            if asked.insert(question).inserted, !resolver.lookUp(question.name, family: question.family) {
                asked.remove(question)
            }
        }
        // What was slept through is asked once.
        next += ((SystemClock.monotonic.now - next) / interval + 1) * interval
        try? timer.set(to: next)
    }

    private func take(_ answer: Result<[IPAddress], ResolveError>, to question: ForwardResolver.Question) {
        asked.remove(question)
        for index in names.indices where names[index].name.text == question.name {
            guard names[index].name.family == question.family else { continue }
            let target = names[index].name.target
            switch answer.flatMap({ Self.choice($0, for: names[index].name, names[index].preferred, usable) }) {
            case .success(let address):
                names[index].failure = nil
                guard address != names[index].name.address else { continue }
                names[index].name.address = address
                findings.append(.moved(target: target, to: address))
            case .failure(let error):
                guard error != names[index].failure else { continue }
                names[index].failure = error
                findings.append(.failed(target: target, error))
            }
        }
    }

    /// The present address while it is listed; else the first of the version that the target started with, else of the
    /// other.
    static func choice(
        _ answers: [IPAddress], for name: Name, _ preferred: IPVersion, _ usable: [IPVersion]
    ) -> Result<IPAddress, ResolveError> {
        let addresses = answers.filter { usable.contains($0.version) && !$0.lacksZone && !$0.isGroup }
            .map(\.replacingUnspecified)
        if addresses.contains(name.address) { return .success(name.address) }
        guard let address = addresses.first(where: { $0.version == preferred }) ?? addresses.first else {
            return .failure(.unknownHost(name: name.text, reason: Resolver.noUsableAddress))
        }
        return .success(address)
    }

    private static let threads = 4
}

extension IPAddress {
    /// Whether many hosts may answer: whoever may change a name shall not make this host ask them all.
    fileprivate var isGroup: Bool { isMulticast || self == .v4(.broadcast) }
}
