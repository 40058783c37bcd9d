import LinuxSockets
import ProbeIO
import ProbeReports

extension JSONLine {
    /// A whole line with the members that every line has, followed by what `write` adds.
    ///
    /// - Parameters:
    ///   - target: the host as it was given.
    ///   - address: who the line is about.
    init(
        type: String, target: String?, address: SocketAddress?, writing write: (inout JSONLine) -> Void
    ) {
        self.init()
        add("v", 1)
        add("type", type)
        add("time", instant: SystemClock.realtime.now)
        if let target { add("target", SafeText(target)) } else { addNull("target") }
        if let ip = address?.ipAddress {
            add("address", ip.description)
            add("family", ip.version == .v4 ? "ipv4" : "ipv6")
        } else {
            addNull("address")
            addNull("family")
        }
        add("transport", "udp")
        if let port = address?.port { add("port", port) }
        write(&self)
        finish()
    }
}

extension OutputWriter {
    mutating func write(_ line: JSONLine) { write(line.bytes) }
}
