import Glibc
import LinuxSockets
import PacketFormats
import Synchronization

/// Names of addresses, asked in parallel beside a loop: the loop polls it, and neither probes nor the exit ever wait.
///
///     resolver.lookUp(address)
///     poller.add(resolver, token: 3)
///     while let (address, name) = resolver.nextAnswer() { ... }
///
/// Its threads have the rights of the thread that asks: make the first request after rights were dropped.
public final class ReverseResolver: DescriptorOwner {
    private let pool: LookupPool<IPAddress, String?>

    /// Readable when an answer is there.
    public var rawDescriptor: Int32 { pool.wakeDescriptor.rawDescriptor }

    /// Throws what the kernel refuses. No thread is started before something is asked.
    ///
    /// - Parameter threads: how many questions are on their way at once, at least 1.
    public init(threads: Int = 16) throws(Errno) {
        pool = try LookupPool(threads: threads) { Resolver.name(of: $0) }
    }

    /// Asks for the name of an address. False when too many questions and answers wait (4,096): there will be no answer
    /// to this one.
    @discardableResult
    public func lookUp(_ address: IPAddress) -> Bool { pool.ask(address) }

    /// The next answer, nil when none is there; its name is nil when the address has none. Cheap.
    ///
    /// The name is text of foreign origin: it passes the sanitiser before it is printed.
    public func nextAnswer() -> (address: IPAddress, name: String?)? {
        pool.nextAnswer().map { (address: $0.question, name: $0.answer) }
    }

    /// Questions without an answer so far.
    public var pendingCount: Int { pool.pendingCount }

    /// Forgets every question; answers to them don't come any more.
    public func cancel() { pool.cancel() }

    deinit { pool.cancel() }
}

/// Addresses of names, asked in parallel beside a loop, as `ReverseResolver` does for names of addresses.
public final class ForwardResolver: DescriptorOwner {
    /// A name and the version to which its addresses are limited.
    public struct Question: Hashable, Sendable {
        public var name: String
        public var family: IPVersion?
    }

    private let pool: LookupPool<Question, Result<[IPAddress], ResolveError>>

    /// Readable when an answer is there.
    public var rawDescriptor: Int32 { pool.wakeDescriptor.rawDescriptor }

    /// Throws what the kernel refuses. No thread is started before something is asked.
    ///
    /// - Parameter threads: how many questions are on their way at once, at least 1.
    public init(threads: Int = 16) throws(Errno) {
        pool = try LookupPool(threads: threads) { question in
            do throws(ResolveError) {
                return .success(try Resolver.lookUp(question.name, family: question.family))
            } catch {
                return .failure(error)
            }
        }
    }

    /// Asks for the addresses of a name; for a numeric address the answer is there at once and no thread is needed.
    /// False when too many questions and answers wait (4,096): there will be no answer to this one.
    @discardableResult
    public func lookUp(_ name: String, family: IPVersion? = nil) -> Bool {
        let question = Question(name: name, family: family)
        do throws(ResolveError) {
            guard let address = try Resolver.numericAddress(name, family: family) else { return pool.ask(question) }
            return pool.deliver(.success([address]), to: question)
        } catch {
            return pool.deliver(.failure(error), to: question)
        }
    }

    /// The next answer, nil when none is there. Cheap.
    public func nextAnswer() -> (question: Question, addresses: Result<[IPAddress], ResolveError>)? {
        pool.nextAnswer().map { (question: $0.question, addresses: $0.answer) }
    }

    /// Questions without an answer so far.
    public var pendingCount: Int { pool.pendingCount }

    /// Forgets every question; answers to them don't come any more.
    public func cancel() { pool.cancel() }

    deinit { pool.cancel() }
}

/// Threads that wait for slow calls, so that nobody else has to.
///
/// A thread starts when there is a question for it and ends when there is none. They are detached: a call that never
/// returns costs its thread and delays nobody, the end of the process included.
final class LookupPool<Question: Sendable, Answer: Sendable>: Sendable {
    let wakeDescriptor: WakeDescriptor

    private let limit: Int
    private let call: @Sendable (Question) -> Answer
    private let state = Mutex(State())

    private struct State {
        /// What no thread has taken.
        var questions = Queue<Question>()
        /// What nobody has taken.
        var answers = Queue<(question: Question, answer: Answer)>()
        var threads = 0
        var asked = 0
        /// Counts cancellations: an answer to a question of an earlier age is thrown away.
        var age = 0

        var hasRoom: Bool { questions.count + answers.count < lookupQueueLimit }
    }

    init(threads: Int, call: @escaping @Sendable (Question) -> Answer) throws(Errno) {
        wakeDescriptor = try WakeDescriptor()
        limit = max(1, threads)
        self.call = call
    }

    var pendingCount: Int { state.withLock { $0.asked } }

    func ask(_ question: Question) -> Bool {
        let needsThread: Bool? = state.withLock { state in
            guard state.hasRoom else { return nil }
            state.questions.append(question)
            state.asked += 1
            guard state.threads < limit else { return false }
            state.threads += 1
            return true
        }
        guard let needsThread else { return false }
        if needsThread, !startThread({ self.work() }) {
            // Another thread will come to it; without any the caller does the work, late but not never.
            let isAlone = state.withLock { state in
                guard state.threads > 1 else { return true }
                state.threads -= 1
                return false
            }
            if isAlone { work() }
        }
        return true
    }

    func deliver(_ answer: Answer, to question: Question) -> Bool {
        let isDelivered = state.withLock { state in
            guard state.hasRoom else { return false }
            state.answers.append((question, answer))
            return true
        }
        if isDelivered { wakeDescriptor.wake() }
        return isDelivered
    }

    func nextAnswer() -> (question: Question, answer: Answer)? {
        state.withLock { state in
            if let answer = state.answers.popFirst() { return answer }
            // Under the lock: whoever appends after this wakes after this.
            _ = try? wakeDescriptor.acknowledge()
            return nil
        }
    }

    func cancel() {
        state.withLock { state in
            state.questions = Queue()
            state.answers = Queue()
            state.asked = 0
            state.age += 1
        }
    }

    /// Answers questions until none waits.
    private func work() {
        while let (question, age) = take() {
            let answer = call(question)
            let isWanted = state.withLock { state in
                guard state.age == age else { return false }
                state.asked -= 1
                state.answers.append((question, answer))
                return true
            }
            if isWanted { wakeDescriptor.wake() }
        }
    }

    private func take() -> (Question, age: Int)? {
        state.withLock { state in
            if let question = state.questions.popFirst() { return (question, state.age) }
            state.threads -= 1
            return nil
        }
    }
}

/// First in, first out, in memory that follows what waits and not what ever went through. Each verb is O(1) in the mean.
private struct Queue<Element> {
    private var elements: [Element] = []
    private var first = 0

    var count: Int { elements.count - first }

    mutating func append(_ element: Element) { elements.append(element) }

    mutating func popFirst() -> Element? {
        guard first < elements.count else { return nil }
        let element = elements[first]
        first += 1
        if first * 2 > elements.count {
            elements.removeFirst(first)
            first = 0
        }
        return element
    }
}

private let lookupQueueLimit = 4096
