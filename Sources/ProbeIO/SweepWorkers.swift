import Glibc
import LinuxSockets
import PacketFormats
import ProbeEngine

/// A transport on its way to the thread that will use it.
///
/// It has no lock: it is filled before that thread starts, and the start of a thread puts what it takes behind that.
public final class TransportShare: @unchecked Sendable {
    private var transport: ProbeTransport?

    public init(_ transport: consuming ProbeTransport) { self.transport = consume transport }

    /// The transport, the first time; nil from then on. For one thread only.
    public func take() -> ProbeTransport? { transport.take() }
}

extension TransportSelection {
    /// Opens a transport for each worker of the request: those of the others are of the same rung as the first, with
    /// identifiers of their own.
    static func openForAll(
        _ request: TransportRequest, _ identity: ProbeIdentity
    ) throws(TransportError) -> TransportSelection {
        var selection = try open(request, identity: identity)
        var request = request
        request.highestRung = selection.transport.rung
        var identity = identity
        while selection.others.count + 1 < request.workers {
            identity.identifier &+= identity.identifierCount
            selection.others.append(TransportShare(try open(request, identity: identity).take()))
        }
        return selection
    }
}

/// Starts a detached thread that gets no signals, which all belong to the thread that started it. False where the system
/// has none left.
///
/// It has the rights of the calling thread: start it after those were dropped.
public func startThread(_ body: @escaping @Sendable () -> Void) -> Bool {
    var attributes = pthread_attr_t()
    unsafe pthread_attr_init(&attributes)
    defer { unsafe pthread_attr_destroy(&attributes) }
    unsafe pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    var all = sigset_t()
    var before = sigset_t()
    unsafe sigfillset(&all)
    unsafe pthread_sigmask(SIG_SETMASK, &all, &before)
    defer { unsafe pthread_sigmask(SIG_SETMASK, &before, nil) }
    var thread = pthread_t()
    // The thread holds what it works with until it ends, however long its last call takes.
    let work = unsafe Unmanaged.passRetained(ThreadWork(body))
    let status = unsafe pthread_create(
        &thread, &attributes,
        { argument in
            guard let argument = unsafe argument else { return nil }
            unsafe Unmanaged<ThreadWork>.fromOpaque(argument).takeRetainedValue().body()
            return nil
        }, work.toOpaque())
    if status != 0 { unsafe work.release() }
    return status == 0
}

private final class ThreadWork: Sendable {
    let body: @Sendable () -> Void

    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}
