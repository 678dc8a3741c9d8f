// Children report over a pipe, a JSON object a line: {"header"}, then for each case {"start"} and {"record"}; or
// {"stop", "code"} when no device could be opened.
#include "suite.hpp"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fmt/format.h>
#include <optional>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

namespace gramian::conformance {
namespace {

constexpr size_t kGroup = 24; // cases a child: opening a device costs about as much as some of them

void send(int pipe, const Json& message)
{
    const std::string line = message.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    size_t sent = 0;
    while (sent < line.size()) {
        const ssize_t written = ::write(pipe, line.data() + sent, line.size() - sent);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) ::_exit(kExitCrash); // the parent is gone
        sent += static_cast<size_t>(written);
    }
}

/// Where infinities must survive, JSON does not do: a record travels as text of its fields.
Json message_of(const Record& record)
{
    return {{"outcome", static_cast<uint32_t>(record.outcome)},
            {"reason", record.reason},
            {"numbers", fmt::format("{} {} {} {} {} {} {}", record.tolerance_rms, record.tolerance_max,
                                    record.tolerance_abs, record.rms, record.max, record.us, record.worst_index)}};
}

Record record_of(const Json& message, const Chosen& chosen)
{
    Record record{chosen.name, chosen.family, chosen.op};
    record.outcome = static_cast<Outcome>(message.at("outcome").get<uint32_t>());
    record.reason = message.at("reason").get<std::string>();
    const auto numbers = message.at("numbers").get<std::string>();
    const char* at = numbers.c_str();
    char* end = nullptr;
    for (double* field :
         {&record.tolerance_rms, &record.tolerance_max, &record.tolerance_abs, &record.rms, &record.max, &record.us}) {
        *field = std::strtod(at, &end);
        at = end;
    }
    record.worst_index = std::strtoull(at, &end, 10);
    return record;
}

[[noreturn]] void be_child(int pipe, gramian_conformance& suite, std::span<const Chosen> group, const Options& options,
                           const std::string& selector)
{
    try {
        open_device(suite, options, selector);
        send(pipe, {{"header", header_of(suite)}});
        for (size_t i = 0; i < group.size(); ++i) {
            send(pipe, {{"start", i}});
            const Record record = run_case(suite, group[i], options);
            send(pipe, {{"record", message_of(record)}});
            // Both are sticky; the parent starts a new child for what is left.
            if (record.outcome == Outcome::timeout || record.outcome == Outcome::device_lost) break;
        }
    } catch (const Stop& stop) {
        send(pipe, {{"stop", stop.message}, {"code", stop.exit_code}});
    }
    ::_exit(0); // nothing of the parent's is to be flushed or destroyed here
}

/// A child process and the lines that it sends.
class Child {
public:
    explicit Child(const std::function<void(int)>& body)
    {
        int ends[2];
        if (::pipe(ends) != 0) throw Stop{kExitCrash, fmt::format("pipe: {}", std::strerror(errno))};
        process_ = ::fork();
        if (process_ < 0) throw Stop{kExitCrash, fmt::format("fork: {}", std::strerror(errno))};
        if (process_ == 0) {
            ::close(ends[0]);
            body(ends[1]);
        }
        ::close(ends[1]);
        pipe_ = ends[0];
    }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child()
    {
        ::close(pipe_);
        if (process_ > 0) finish(true);
    }

    enum class Event { line, end, timeout };
    Event next(std::chrono::milliseconds patience, std::string& line)
    {
        const auto deadline = std::chrono::steady_clock::now() + patience;
        for (;;) {
            if (const size_t stop = buffer_.find('\n'); stop != std::string::npos) {
                line = buffer_.substr(0, stop);
                buffer_.erase(0, stop + 1);
                return Event::line;
            }
            const auto left =
                std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
            pollfd wait{pipe_, POLLIN, 0};
            const int ready = left.count() > 0 ? ::poll(&wait, 1, static_cast<int>(left.count())) : 0;
            if (ready == 0) return Event::timeout;
            char bytes[4096];
            const ssize_t count = ready < 0 ? -1 : ::read(pipe_, bytes, sizeof bytes);
            if (count < 0 && errno == EINTR) continue;
            if (count <= 0) return Event::end;
            buffer_.append(bytes, static_cast<size_t>(count));
        }
    }
    /// How it ended; empty for a child that came to its end.
    std::string finish(bool kill)
    {
        if (kill) ::kill(process_, SIGKILL);
        int status = 0;
        while (::waitpid(process_, &status, 0) < 0 && errno == EINTR) {
        }
        process_ = -1;
        if (WIFSIGNALED(status)) return fmt::format("signal {} ({})", WTERMSIG(status), ::strsignal(WTERMSIG(status)));
        return WEXITSTATUS(status) == 0 ? "" : fmt::format("exit status {}", WEXITSTATUS(status));
    }

private:
    pid_t process_ = -1;
    int pipe_ = -1;
    std::string buffer_;
};

struct Progress {
    Json header;
    std::optional<size_t> running; // of the group
    size_t done = 0;
};

void take(const Json& message, std::span<const Chosen> group, Progress& progress, const Sink& sink)
{
    if (message.contains("stop")) throw Stop{message["code"].get<int>(), message["stop"].get<std::string>()};
    if (message.contains("header")) progress.header = message["header"];
    if (message.contains("start")) progress.running = message["start"].get<size_t>();
    if (!message.contains("record")) return;
    sink(progress.header, record_of(message["record"], group[*progress.running]));
    progress.done = *progress.running + 1;
    progress.running.reset();
}

/// Runs the first cases of the group in one child; returns how many are done, the one that ended the child included.
size_t run_group(gramian_conformance& suite, std::span<const Chosen> group, const Options& options,
                 const std::string& selector, const Sink& sink)
{
    Child child([&](int pipe) { be_child(pipe, suite, group, options, selector); });
    Progress progress;
    std::string line;
    const std::chrono::milliseconds patience(static_cast<int64_t>(options.timeout_ms));
    Child::Event event = child.next(patience, line);
    for (; event == Child::Event::line; event = child.next(patience, line)) {
        take(Json::parse(line), group, progress, sink);
    }
    const bool is_hanging = event == Child::Event::timeout;
    const std::string end = child.finish(is_hanging);
    if (progress.header.is_null()) {
        throw Stop{kExitCrash, is_hanging ? "opening the device hangs" : "opening the device crashes: " + end};
    }
    if (!progress.running && !(end.empty() && progress.done == 0)) return progress.done;
    const Chosen& one = group[progress.running.value_or(0)];
    const std::string reason = is_hanging ? fmt::format("no end after {} ms", options.timeout_ms) : end;
    sink(progress.header, {one.name, one.family, one.op, is_hanging ? Outcome::timeout : Outcome::crash, reason});
    return progress.running.value_or(0) + 1;
}

} // namespace

void run_isolated(gramian_conformance& suite, std::span<const Chosen> chosen, const Options& options,
                  const std::string& selector, const Sink& sink)
{
    while (!chosen.empty()) {
        const std::span<const Chosen> group = chosen.first(std::min(kGroup, chosen.size()));
        chosen = chosen.subspan(run_group(suite, group, options, selector, sink));
    }
}

} // namespace gramian::conformance
