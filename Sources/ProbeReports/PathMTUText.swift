import PacketFormats
import ProbeEngine

extension PathTextReport {
    /// The lines behind the rows about the path MTU: what it is, who says so, and where packets vanish.
    public func append(_ result: PathMTUResult, to buffer: inout ReportBuffer) {
        if let size = result.size, let hop = result.hop {
            if result.isWholePath {
                buffer.append("path MTU ")
                buffer.append(decimal: size)
            } else {
                buffer.append("packets of ")
                buffer.append(decimal: size)
                buffer.append(" arrive up to hop ")
                buffer.append(decimal: hop)
            }
            buffer.append("\n")
        }
    }
}
