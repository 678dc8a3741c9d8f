// Loading with nothing compiled before: in a process of its own, with the drivers' own caches off and a cache folder
// that is empty, the bench opens a device, loads the policy, makes a session and takes a step; then it runs each kernel
// that the device picks for the first time, in the cases of the quick suite.
#include "policy.hpp"

#include <gramian/benchmark.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fmt/format.h>
#include <spawn.h>
#include <stdexcept>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace gramian::bench {
namespace {

double seconds_now()
{
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Microseconds since it was asked last.
class Watch {
public:
    double lap_us()
    {
        const double now = seconds_now();
        return 1e6 * (now - std::exchange(since_, now));
    }

private:
    double since_ = seconds_now();
};

void check(gramian_status status)
{
    if (status != GRAMIAN_OK) throw ApiError(status, gramian_conformance_last_error());
}

/// The first run of every quick case: between them they use every kernel that the device may pick, and what a case
/// takes is mostly the compiling of its kernels.
Json first_runs(const gramian_device_options& chosen)
{
    gramian_conformance* raw = nullptr;
    check(gramian_conformance_create(nullptr, &raw));
    const std::unique_ptr<gramian_conformance, void (*)(gramian_conformance*)> suite(raw, gramian_conformance_destroy);
    check(gramian_conformance_open_device(raw, &chosen));
    double slowest_us = 0;
    std::string slowest;
    uint64_t pipelines = 0;
    Watch all;
    for (uint32_t i = 0; i < gramian_conformance_count(raw); ++i) {
        gramian_conformance_case info{};
        info.size = sizeof info;
        check(gramian_conformance_get_case(raw, i, &info));
        if (!info.is_quick) continue;
        gramian_case_result result{};
        result.size = sizeof result;
        Watch one;
        check(gramian_conformance_run(raw, i, 1, &result));
        const double us = one.lap_us();
        if (result.status != GRAMIAN_CASE_PASS && result.status != GRAMIAN_CASE_UNSUPPORTED) {
            throw std::runtime_error(fmt::format("{}: {}", info.name, result.reason));
        }
        pipelines = result.pipelines;
        if (us > slowest_us) slowest = info.name;
        slowest_us = std::max(slowest_us, us);
    }
    return {
        {"kernels_us", all.lap_us()}, {"pipelines", pipelines}, {"slowest_case", slowest}, {"slowest_us", slowest_us}};
}

/// A variable of the child's environment.
void set(std::vector<std::string>& variables, const std::string& name, const std::string& value)
{
    std::erase_if(variables, [&](const std::string& entry) { return entry.starts_with(name + "="); });
    variables.push_back(name + "=" + value);
}

/// What this program prints when it is started anew with these arguments and this environment.
std::string output_of(std::vector<std::string> arguments, std::vector<std::string> variables)
{
    std::array<int, 2> ends{};
    if (::pipe(ends.data()) != 0) throw std::runtime_error(fmt::format("pipe: {}", std::strerror(errno)));
    const auto pointers = [](std::vector<std::string>& texts) {
        std::vector<char*> list;
        for (std::string& text : texts) list.push_back(text.data());
        list.push_back(nullptr);
        return list;
    };
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    ::posix_spawn_file_actions_addclose(&actions, ends[0]);
    pid_t process = 0;
    const int failure = ::posix_spawn(&process, "/proc/self/exe", &actions, nullptr, pointers(arguments).data(),
                                      pointers(variables).data());
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    std::string text;
    std::array<char, 4096> bytes{};
    for (ssize_t count = 1; failure == 0 && count > 0;) {
        count = ::read(ends[0], bytes.data(), bytes.size());
        if (count > 0) text.append(bytes.data(), static_cast<size_t>(count));
        if (count < 0 && errno == EINTR) count = 1;
    }
    ::close(ends[0]);
    if (failure != 0) throw std::runtime_error(fmt::format("cannot start itself: {}", std::strerror(failure)));
    int status = 0;
    while (::waitpid(process, &status, 0) < 0 && errno == EINTR) {
    }
    if (status != 0) throw std::runtime_error("the process that loads with no cache failed");
    return text;
}

/// A folder that is empty, and gone afterwards.
struct EmptyFolder {
    std::filesystem::path path;
    EmptyFolder()
    {
        std::string name = (std::filesystem::temp_directory_path() / "gramian-bench-XXXXXX").string();
        if (!::mkdtemp(name.data())) throw std::runtime_error(fmt::format("{}: {}", name, std::strerror(errno)));
        path = name;
    }
    EmptyFolder(const EmptyFolder&) = delete;
    EmptyFolder& operator=(const EmptyFolder&) = delete;
    ~EmptyFolder()
    {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }
};

} // namespace

void load_here(const std::string& selector)
{
    gramian_device_options chosen = gramian_device_options_default();
    chosen.selector = selector.c_str();
    const std::vector<std::byte> bytes = policy_bytes(false);
    Watch watch;
    const DeviceHandle device(chosen);
    Json report{{"open_us", watch.lap_us()}};
    const ModelHandle model(device, bytes, "policy");
    report["model_us"] = watch.lap_us();
    SessionHandle session(model, gramian_session_options_default());
    report["session_us"] = watch.lap_us();
    const std::vector<float> x(kPolicyInputs, 0.5F);
    std::vector<float> y(kPolicyOutputs);
    session.step(x, y);
    report["first_step_us"] = watch.lap_us();
    session.step(x, y);
    report["second_step_us"] = watch.lap_us();
    report.update(first_runs(chosen));
    fmt::print("{}\n", report.dump());
}

void run_load(const Options& options, const Sink& sink)
{
    const std::string name = "load.cold";
    if (!is_wanted(options, name)) return;
    const EmptyFolder folder;
    std::vector<std::string> variables;
    for (char** entry = environ; *entry; ++entry) variables.emplace_back(*entry);
    set(variables, "MESA_SHADER_CACHE_DISABLE", "true");
    set(variables, "__GL_SHADER_DISK_CACHE", "0"); // NVIDIA's
    set(variables, "XDG_CACHE_HOME", folder.path.string());
    const Json report =
        Json::parse(output_of({"gramian-bench", "--load-here", "--device", options.device}, std::move(variables)));
    Row row;
    row.name = name;
    row.params = report;
    row.is_correct = true; // a case that fails ends the process
    row.median_us = report["open_us"].get<double>() + report["model_us"].get<double>() +
                    report["session_us"].get<double>(); // one run: a second would not be cold
    row.min_us = row.median_us;
    row.first_us = report["first_step_us"].get<double>();
    sink(row);
}

} // namespace gramian::bench
