import Glibc
import LinuxSockets
import ProbeEngine
import Synchronization
import TestSupport
import Testing

@testable import ProbeIO

@Suite struct ResumeFileTests {
    static let progress = SweepProgress(
        targets: 100, digest: 5, isClosed: true, seed: nil, shard: .whole, position: 50, undecided: [1, 2, 49],
        counters: [.init("alive", 47)])

    /// Runs with a directory that is removed afterwards.
    private func inDirectory(_ body: (String) throws -> Void) throws {
        let directory = try ScratchFile.makeDirectory()
        defer {
            for name in ["progress", "other", "link"] { _ = unsafe unlink("\(directory)/\(name)") }
            let isEmpty = unsafe rmdir(directory) == 0
            #expect(isEmpty, "something was left in the directory")
        }
        try body(directory)
    }

    private func failure(_ path: String) -> String? {
        do throws(ToolFailure) {
            _ = try ResumeFile(path, shownAs: "NAME")
            return nil
        } catch {
            return error.line
        }
    }

    private func write(_ text: String, to path: String) throws {
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        let file = FileDescriptor(owning: descriptor)
        var output = OutputWriter(descriptor: file.rawDescriptor)
        output.write(text)
        output.flush()
        try #require(output.failure == nil)
    }

    @Test func whatIsWrittenIsFound() throws {
        try inDirectory { directory in
            let path = "\(directory)/progress"
            let file = try ResumeFile(path, shownAs: "NAME")
            #expect(file.found == nil)
            try file.write(Self.progress)
            #expect(try ResumeFile(path, shownAs: "NAME").found == Self.progress)
            var later = Self.progress
            later.position = 60
            try file.write(later)
            #expect(try ResumeFile(path, shownAs: "NAME").found == later)
            file.remove()
            let isGone = unsafe access(path, F_OK) != 0
            #expect(isGone)
        }
    }

    @Test("What is kept in between is found, and what comes too late takes the place of nothing")
    func keeps() throws {
        try inDirectory { directory in
            let path = "\(directory)/progress"
            let file = try ResumeFile(path, shownAs: "NAME")
            var early = Self.progress
            early.position = 40
            early.undecided = []
            let kept = early
            let isKept = file.keep({ kept }) { failure in Issue.record("\(failure)") }
            #expect(isKept)
            while try ResumeFile(path, shownAs: "NAME").found != kept { sched_yield() }
            // The thread of this one waits for what the next line does.
            let gate = Mutex(false)
            let isBegun = file.keep({
                while !gate.withLock({ $0 }) { sched_yield() }
                return kept
            }) { failure in Issue.record("\(failure)") }
            #expect(isBegun)
            let isRefused = !file.keep({ kept }) { _ in }
            #expect(isRefused, "one at a time")
            try file.write(Self.progress)
            gate.withLock { $0 = true }
            while !file.keep({ Self.progress }, onFailure: { _ in }) { sched_yield() }
            #expect(try ResumeFile(path, shownAs: "NAME").found == Self.progress)
            while !file.keep({ Self.progress }, onFailure: { _ in }) { sched_yield() }
            file.remove()
        }
    }

    @Test func theOldFileIsReplacedAndNotChanged() throws {
        try inDirectory { directory in
            let path = "\(directory)/progress"
            try write("", to: path)
            try #require(unsafe link(path, "\(directory)/other") == 0)
            try ResumeFile(path, shownAs: "NAME").write(Self.progress)
            var status = stat()
            try #require(unsafe stat("\(directory)/other", &status) == 0)
            #expect(status.st_size == 0)
            try #require(unsafe stat(path, &status) == 0)
            #expect(status.st_mode & 0o777 == 0o600)
        }
    }

    @Test func linksAreNotFollowed() throws {
        try inDirectory { directory in
            try write("mine", to: "\(directory)/other")
            try #require(unsafe symlink("\(directory)/other", "\(directory)/link") == 0)
            #expect(failure("\(directory)/link")?.hasSuffix("(ELOOP)") == true)
        }
    }

    @Test func whatIsNoSuchFileIsRefusedAndLeft() throws {
        try inDirectory { directory in
            let path = "\(directory)/progress"
            try write("my diary\n", to: path)
            #expect(
                failure(path)
                    == "option --resume-file: NAME is no file of --resume-file: name another, or remove it to begin anew"
            )
            try write(String(Self.progress.text.dropLast(20)), to: path)
            #expect(failure(path) == "option --resume-file: NAME is not whole: remove it to begin anew")
            var status = stat()
            try #require(unsafe stat(path, &status) == 0)
            #expect(Int(status.st_size) == Self.progress.text.utf8.count - 20)
        }
    }

    @Test(arguments: [
        ("/", "EISDIR"), ("/tmp/", "EISDIR"), ("/tmp", "EISDIR"), ("", "ENOENT"), ("/proc/nonexistent/x", "ENOENT"),
    ])
    func whatCannotBeOpenedIsSaid(path: String, reason: String) {
        #expect(failure(path)?.hasPrefix("option --resume-file: cannot open NAME: ") == true)
        #expect(failure(path)?.hasSuffix("(\(reason))") == true)
    }

    @Test func devicesAreRefused() {
        #expect(failure("/dev/null") == "option --resume-file: NAME is no regular file")
    }
}
