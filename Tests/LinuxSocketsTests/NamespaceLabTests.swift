import Glibc
import TestSupport
import Testing

@Suite(.enabled(if: NamespaceLab.isAvailable, "needs root and ip(8)"))
struct NamespaceLabTests {
    /// A link ends with either of its ends, so that a node is of use only as long as the others are there.
    @Test func aNodeKeepsItsWholeLab() throws {
        var other = ""
        var namespace = ""
        func node() throws -> NamespaceLab.Node {
            let lab = try NamespaceLab("a", "b")
            other = lab["b"].path
            namespace = target(of: other)
            return lab["a"]
        }
        let node = try node()
        #expect(namespace.hasPrefix("net:["))
        #expect(target(of: other) == namespace)
        #expect(target(of: node.path) != namespace)
    }

    private func target(of link: String) -> String {
        var buffer = [CChar](repeating: 0, count: 64)
        let count = unsafe readlink(link, &buffer, buffer.count)
        return String(decoding: buffer.prefix(max(0, count)).map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
