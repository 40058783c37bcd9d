import Glibc
import LinuxSockets

/// The labs that are up, as files under /run: who keeps a lab up holds the lock of its file.
///
/// The file has two lines: the process and the name of the scenario. It stays behind when the process is killed; without
/// a lock it means nothing and the next command removes it.
enum Registry {
    struct Entry {
        var name: String
        var processID: pid_t
        var scenario: String
    }

    /// The lock of a name, which lasts as long as a process has the descriptor.
    struct Claim: ~Copyable {
        let name: String
        private let file: FileDescriptor

        /// Takes the name and removes what a lab of that name left behind. Throws when such a lab is up.
        init(_ name: String) throws(Failure) {
            try Registry.makeDirectory(Registry.directory)
            while true {
                let path = Registry.path(name)
                let raw = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o644)
                guard raw >= 0 else { throw Failure("\(path): \(lastErrno)") }
                let file = FileDescriptor(owning: raw)
                guard flock(file.rawDescriptor, LOCK_EX | LOCK_NB) == 0 else {
                    let entry = try? Registry.entry(name)
                    throw Failure(
                        "lab \(name) is up already" + (entry.map { " (process \($0.processID))" } ?? "")
                            + "; take it down with: swlab down --name \(name)")
                }
                // Whoever had the lock before may have removed the file: then it is another one by now.
                guard Registry.isSame(file.rawDescriptor, path) else { continue }
                self.name = name
                self.file = file
                Registry.unpin(name)
                return
            }
        }

        /// Says who keeps the lab up.
        func publish(processID: pid_t, scenario: String) throws(Failure) {
            guard ftruncate(file.rawDescriptor, 0) == 0 else { throw Failure("\(Registry.path(name)): \(lastErrno)") }
            try writeAll("\(processID)\n\(scenario)\n", to: file.rawDescriptor, Registry.path(name))
        }

        /// Removes everything that names the lab.
        consuming func withdraw() {
            Registry.unpin(name)
            unsafe unlink(Registry.path(name))
        }
    }

    /// The lab of this name. Throws when it is not up.
    static func entry(_ name: String) throws(Failure) -> Entry {
        let file = unsafe open(path(name), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else { throw Failure("no lab \(name) is up; bring one up with: swlab up") }
        let owner = FileDescriptor(owning: file)
        if flock(owner.rawDescriptor, LOCK_SH | LOCK_NB) == 0 {
            throw Failure("no lab \(name) is up; bring one up with: swlab up")
        }
        let lines = String(decoding: try readFile(path(name)), as: UTF8.self).split(separator: "\n")
        guard lines.count == 2, let processID = pid_t(lines[0]), processID > 1 else {
            throw Failure("lab \(name) is coming up or going down; try again")
        }
        return Entry(name: name, processID: processID, scenario: String(lines[1]))
    }

    /// All labs that are up, by name.
    static func all() -> [Entry] {
        guard let stream = unsafe opendir(directory) else { return [] }
        defer { unsafe closedir(stream) }
        var entries: [Entry] = []
        while let item = unsafe readdir(stream) {
            let name = unsafe withUnsafeBytes(of: item.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard isName(name), let entry = try? entry(name) else { continue }
            entries.append(entry)
        }
        return entries.sorted { $0.name < $1.name }
    }

    /// Makes the namespace of the calling thread known to ip-netns(8). Throws what the kernel refuses.
    static func pin(_ name: String) throws(Failure) {
        try makeDirectory(namespaces)
        let path = "\(namespaces)/\(name)"
        let raw = unsafe open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0)
        guard raw >= 0 else { throw Failure("\(path): \(lastErrno)") }
        close(raw)
        let mark = unsafe open(markPath(name), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        if mark >= 0 { close(mark) }
        do throws(Errno) {
            try NetworkNamespace.pinCurrent(at: path)
        } catch {
            unsafe unlink(path)
            unsafe unlink(markPath(name))
            throw Failure("\(path): \(error)")
        }
    }

    /// Whether the text can be the name of a lab, which becomes part of paths.
    static func isName(_ text: String) -> Bool {
        text.utf8.first != UInt8(ascii: ".") && (1...32).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
                case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
                    true
                default: false
                }
            }
    }

    private static func path(_ name: String) -> String { "\(directory)/\(name)" }

    /// A file that says that the mount of this name is a lab's; no lab has a name with a leading dot.
    private static func markPath(_ name: String) -> String { "\(directory)/.\(name).pinned" }

    /// Removes the mount that a lab of this name made; the name belongs to the caller, who has the lock.
    private static func unpin(_ name: String) {
        let path = "\(namespaces)/\(name)"
        // Only what a lab has mounted: another program's namespace of the same name is none of ours.
        guard unsafe access(markPath(name), F_OK) == 0 else { return }
        try? NetworkNamespace.unpin(path)
        unsafe unlink(path)
        unsafe unlink(markPath(name))
    }

    private static func makeDirectory(_ path: String) throws(Failure) {
        guard unsafe mkdir(path, 0o755) != 0, lastErrno != .fileExists else { return }
        throw Failure("\(path): \(lastErrno)")
    }

    private static func isSame(_ descriptor: Int32, _ path: String) -> Bool {
        var open = stat()
        var named = stat()
        guard unsafe fstat(descriptor, &open) == 0, unsafe stat(path, &named) == 0 else { return false }
        return open.st_dev == named.st_dev && open.st_ino == named.st_ino
    }

    private static let directory = "/run/swlab"
    private static let namespaces = "/run/netns"
}
