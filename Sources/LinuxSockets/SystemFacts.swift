import CLibcap
import Glibc

/// What the running system says about itself, as far as it can be read.
public enum SystemFacts {
    /// The numbers in a kernel setting, such as `[1000]` of `net.ipv4.icmp_ratelimit`; nil where it is not there or
    /// hidden (proc(5), `/proc/sys`).
    public static func setting(_ name: String) -> [Int64]? {
        guard let text = contents(of: "/proc/sys/" + String(name.map { $0 == "." ? "/" : $0 })) else { return nil }
        let words = text.split { $0 == "\t" || $0 == " " || $0 == "\n" }
        let numbers = words.compactMap { Int64($0) }
        return numbers.isEmpty || numbers.count < words.count ? nil : numbers
    }

    /// The clock source of the kernel's time, such as `tsc`; nil where that is hidden.
    public static var clockSource: String? {
        firstWord("/sys/devices/system/clocksource/clocksource0/current_clocksource")
    }

    /// The version of the kernel, such as `6.18.0`. The corresponding C function is `uname`.
    public static var kernelRelease: String {
        var name = utsname()
        guard unsafe uname(&name) == 0 else { return "unknown" }
        return unsafe withUnsafeBytes(of: name.release) { bytes in
            // uname ends the text with a zero byte inside of the field.
            unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
    }

    /// Whether `/proc` shows this process.
    public static var hasProc: Bool { unsafe access("/proc/self/status", R_OK) == 0 }

    /// How many descriptors this process may have open (getrlimit(2), RLIMIT_NOFILE).
    public static var openFileLimit: Int { sysconf(Int32(_SC_OPEN_MAX)) }

    /// The groups of this process besides its own. Throws what the kernel refuses. The corresponding C function is
    /// `getgroups`.
    public static func supplementaryGroups() throws(Errno) -> [UInt32] {
        var groups = [gid_t](repeating: 0, count: maximumGroups)
        let count = try check(unsafe getgroups(Int32(groups.count), &groups))
        return Array(groups.prefix(Int(count)))
    }

    /// The capabilities that the file of this program brings along, in libcap's words such as `cap_net_raw=p`; empty
    /// for none, nil where the file can't be read. The corresponding C function is `cap_get_file`.
    public static var programCapabilities: String? {
        guard let state = unsafe cap_get_file(program) else { return Errno.last == .noData ? "" : nil }
        defer { unsafe cap_free(UnsafeMutableRawPointer(state)) }
        guard let text = unsafe cap_to_text(state, nil) else { return nil }
        defer { unsafe cap_free(UnsafeMutableRawPointer(text)) }
        return unsafe String(cString: text)
    }

    /// Whether the program lies on a file system whose files bring no rights along; nil where that is hidden (mount(8),
    /// `nosuid`). The corresponding C function is `statvfs`.
    public static var programIsOnNosuid: Bool? {
        var information = statvfs()
        guard unsafe statvfs(program, &information) == 0 else { return nil }
        return information.f_flag & nosuidFlag != 0
    }

    private static func firstWord(_ path: String) -> String? {
        contents(of: path)?.split { $0 == "\n" || $0 == " " }.first.map(String.init)
    }

    /// The first bytes of a file of the kernel, which has more than that only where it is none of the short ones.
    static func contents(of path: String) -> String? {
        let opened = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard opened >= 0 else { return nil }
        let file = FileDescriptor(owning: opened)
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = unsafe bytes.withUnsafeMutableBytes {
            unsafe read(file.rawDescriptor, $0.baseAddress, $0.count)
        }
        guard count > 0 else { return nil }
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }

    private static let program = "/proc/self/exe"
    /// NGROUPS_MAX of linux/limits.h.
    private static let maximumGroups = 65_536
    /// ST_NOSUID of sys/statvfs.h.
    private static let nosuidFlag: UInt = 2
}
