import LinuxSockets
import ProbeIO
import ProbeReports

/// The files that findings come from, opened with the rights of the caller.
final class FindingFiles {
    let origins: ASNTable?
    let baseline: PathBaseline?
    private let originsName: SafeText

    static var none: FindingFiles { FindingFiles() }

    private init() {
        origins = nil
        baseline = nil
        originsName = SafeText("")
    }

    /// Throws the line that says which file is at fault, and why.
    init(_ options: Options.Findings) throws(ToolFailure) {
        originsName = SafeText(options.originTable ?? "")
        do throws(ASNTableError) {
            if let path = options.originTable { origins = try ASNTable(path) } else { origins = nil }
        } catch {
            throw ToolFailure("option --asn-db: \(error.text(originsName.description))")
        }
        if let path = options.baseline { baseline = try Self.baseline(path) } else { baseline = nil }
    }

    /// A line about what a search in the table has met, once.
    func nextFault() -> String? {
        origins?.nextFault().map { "option --asn-db: \($0.text(originsName.description))" }
    }

    private static func baseline(_ path: String) throws(ToolFailure) -> PathBaseline {
        let name = SafeText(path)
        var bytes: [UInt8] = []
        do throws(Errno) {
            let file = try InputFile(path, waits: true)
            // One piece more than is allowed is enough to see that there is too much.
            while bytes.count <= PathBaseline.maximumSize {
                let piece = try file.nextBytes(count: 1 << 16)
                if piece.isEmpty { break }
                bytes += piece
            }
        } catch .isDirectory {
            throw ToolFailure("option --baseline: \(name) is a directory")
        } catch {
            throw ToolFailure("option --baseline: cannot read \(name): \(error) (\(error.name))")
        }
        do throws(PathBaselineError) {
            return try PathBaseline(parsing: bytes)
        } catch {
            throw ToolFailure("option --baseline: \(name)\(error)")
        }
    }
}
