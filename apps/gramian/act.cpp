// `gramian act`: a model as a filter, one observation a line in and one action a line out, for robots and simulators.
#include "act_lines.hpp"
#include "agents.hpp"
#include "command.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <csignal>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <system_error>
#include <unistd.h>

namespace gramian::app {
namespace {

struct ActOptions {
    CommonOptions common;
    std::string model;
    uint32_t streams = 1;
};

/// One agent. It has a session of its own: a line then costs the same however many agents there are, and no agent moves
/// when another one does.
class Agent {
public:
    Agent(const ModelHandle& model, const Json& description, bool is_first) : session_(model, options(is_first))
    {
        const auto size_of = [](const Json& port) { return port.at("size").get<size_t>(); };
        for (const Json& port : description.at("inputs")) {
            const bool is_context = port.value("context", false);
            ports_.push_back({is_context, is_context ? sizes_.target : sizes_.observation});
            (is_context ? sizes_.target : sizes_.observation) += size_of(port);
        }
        for (const Json& port : description.at("outputs")) {
            outputs_.push_back(action_size_);
            action_size_ += size_of(port);
        }
    }

    /// Of all step inputs together, and of all context inputs together, in the order of the model.
    [[nodiscard]] const ActSizes& sizes() const { return sizes_; }

    uint64_t teach(const ActLine& line)
    {
        std::vector<const float*> inputs;
        for (const Port& port : ports_) {
            inputs.push_back((port.is_context ? line.target : line.observation).data() + port.offset);
        }
        const uint32_t count = 1;
        session_.observe({&kOnly, 1}, {&count, 1}, inputs);
        is_settled_ = false;
        return ++taught_;
    }

    /// Solves for what was taught since the last action; true when there was anything.
    bool settle(gramian_solve_report& report)
    {
        if (is_settled_) return false;
        report = session_.solve({&kOnly, 1}).front();
        is_settled_ = true;
        return true;
    }

    std::vector<float> act(const ActLine& line)
    {
        std::vector<float> action(action_size_);
        std::vector<const float*> inputs;
        std::vector<float*> outputs;
        for (const Port& port : ports_) {
            if (!port.is_context) inputs.push_back(line.observation.data() + port.offset);
        }
        for (const size_t offset : outputs_) outputs.push_back(action.data() + offset);
        api::check(gramian_session_step(session_.get(), inputs.data(), outputs.data()));
        return action;
    }

    void reset()
    {
        session_.reset();
        taught_ = 0;
        is_settled_ = true;
    }

    [[nodiscard]] uint64_t taught() const { return taught_; }

private:
    struct Port {
        bool is_context;
        size_t offset; // in the line's observation or target
    };

    static constexpr uint32_t kOnly = 0; // the session's only stream

    /// The golden rollout proves the device once, not once an agent.
    static gramian_session_options options(bool is_first)
    {
        gramian_session_options chosen = gramian_session_options_default();
        chosen.streams = 1;
        chosen.verify_golden = is_first ? 1 : 0;
        return chosen;
    }

    SessionHandle session_;
    ActSizes sizes_;
    std::vector<Port> ports_;
    std::vector<size_t> outputs_; // offsets in the action
    size_t action_size_ = 0;
    uint64_t taught_ = 0;
    bool is_settled_ = true;
};

/// Writes the line at once. False when nobody reads standard output any more.
bool answer(std::string line)
{
    line += '\n';
    for (std::string_view rest = line; !rest.empty();) {
        const ssize_t written = ::write(STDOUT_FILENO, rest.data(), rest.size());
        if (written < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (written < 0 && errno == EPIPE) return false;
        if (written < 0)
            throw std::runtime_error("standard output: cannot write: " + std::generic_category().message(errno));
        rest.remove_prefix(static_cast<size_t>(written));
    }
    return true;
}

std::string error_answer(uint64_t number, const std::string& text)
{
    return Json{{"error", fmt::format("line {}: {}", number, text)}}.dump(-1, ' ', true,
                                                                          Json::error_handler_t::replace);
}

/// How a solve went, on standard error: the answer to an action is the action. A solve without trouble is no news to
/// somebody who wants quiet.
void report_solve(const gramian_solve_report& report, uint32_t stream, uint64_t taught, bool is_quiet)
{
    const bool is_troubled = report.status != GRAMIAN_SOLVED || report.retries > 0;
    if (is_quiet && !is_troubled) return;
    const Json json{{"stream", stream},
                    {"taught", taught},
                    {"solved", report.status == GRAMIAN_SOLVED},
                    {"retries", report.retries},
                    {"residual", report.residual},
                    {"min_pivot", report.min_pivot}};
    fmt::print(stderr, "{}\n", json.dump());
}

std::string answer_line(std::vector<Agent>& agents, const std::string& line, bool is_quiet)
{
    ActSizes sizes = agents.front().sizes();
    sizes.streams = static_cast<uint32_t>(agents.size());
    const ActLine wanted = parse_act_line(line, sizes);
    Agent& agent = agents[wanted.stream];
    if (wanted.kind == ActLine::Kind::reset) {
        agent.reset();
        return R"({"reset":true})";
    }
    if (wanted.kind == ActLine::Kind::teach) return fmt::format("{{\"taught\":{}}}", agent.teach(wanted));
    gramian_solve_report report{};
    if (agent.settle(report)) report_solve(report, wanted.stream, agent.taught(), is_quiet);
    const std::vector<float> action = agent.act(wanted);
    if (!std::all_of(action.begin(), action.end(), [](float value) { return std::isfinite(value); })) {
        throw LineError("the model answered with a number that is not finite");
    }
    return fmt::format("[{}]", fmt::join(action, ","));
}

/// What a line earns: an answer, or an error that has changed nothing. A device that fails ends the program.
std::string answer_or_error(std::vector<Agent>& agents, const std::string& line, uint64_t number, bool is_quiet)
{
    try {
        return answer_line(agents, line, is_quiet);
    } catch (const LineError& error) {
        return error_answer(number, error.what());
    } catch (const ApiError& error) {
        if (error.status() != GRAMIAN_INVALID_ARGUMENT) throw;
        return error_answer(number, error.what());
    }
}

void print_latencies(std::vector<double> us)
{
    if (us.empty()) return;
    std::sort(us.begin(), us.end());
    const auto at = [&](double share) {
        return us[static_cast<size_t>(std::ceil(share * static_cast<double>(us.size()))) - 1];
    };
    fmt::print(stderr, "{} lines: p50 {:.1f} us, p99 {:.1f} us, max {:.1f} us\n", us.size(), at(0.5), at(0.99),
               us.back());
}

Exit act(const ActOptions& options)
{
    std::signal(SIGPIPE, SIG_IGN); // a reader that goes away is how a pipeline ends
    // First of all: a thread that a driver starts would take the signals that its parent did not yet block.
    LineReader reader(STDIN_FILENO);
    const DeviceHandle device = open_device(options.common, options.common.device);
    const ModelHandle model(device, find_agent(options.model, "intention").string());
    const Json description = Json::parse(model.json());
    std::vector<Agent> agents;
    agents.reserve(options.streams);
    for (uint32_t i = 0; i < options.streams; ++i) agents.emplace_back(model, description, i == 0);

    std::vector<double> latencies;
    std::string line;
    for (uint64_t number = 1;; ++number) {
        const LineReader::Found found = reader.next(line);
        if (found == LineReader::Found::end || found == LineReader::Found::stop) break;
        const auto start = std::chrono::steady_clock::now();
        if (found == LineReader::Found::line && is_blank(line)) continue;
        const bool is_answered = answer(found == LineReader::Found::too_long
                                            ? error_answer(number, fmt::format("longer than {} bytes", kMaxLineBytes))
                                            : answer_or_error(agents, line, number, options.common.quiet));
        if (!is_answered) break;
        if (!options.common.profile) continue;
        const std::chrono::duration<double, std::micro> spent = std::chrono::steady_clock::now() - start;
        latencies.push_back(spent.count());
        fmt::print(stderr, "line {}: {:.1f} us\n", number, spent.count());
    }
    print_latencies(std::move(latencies));
    return Exit::done;
}

} // namespace

Command make_act(CLI::App& parent)
{
    CLI::App* app =
        parent.add_subcommand("act", "Answer observations on standard input with actions on standard output");
    app->footer(R"(Lines in, each answered by one line as soon as it is complete:
  [0.1,0,1,0,0]  or  0.1, 0, 1, 0, 0                an observation: answered by the action, a JSON array
  {"observation":[...],"target":[...]}              teaches what to do there: answered by {"taught":N}
  {"reset":true}                                    forgets what was taught and done: answered by itself
  {"observation":[...],"stream":2}                  speaks to one of several agents (--streams); else to agent 0
A line that cannot be understood is answered by {"error":"line 7: ..."} and changes nothing; blank lines are passed
over. What was taught is solved for, once, at the next action; how that went is written to standard error. An agent
that has to be taught answers 0 before it was, and its other lines are understood all the same. The program ends with
its input, with its reader or on an interrupt, each time with exit code 0. --profile writes microseconds a line.

Example:
  printf '0.1, 0, 1, 0, 0\n' | gramian act cartpole-fewshot)");
    auto options = std::make_shared<ActOptions>();
    app->add_option("model", options->model, "A shipped agent (see gramian agents) or a path to a model file")
        ->required();
    app->add_option("--streams", options->streams, "Agents that this process serves, each with a memory of its own")
        ->check(CLI::Range(1U, 1000U))
        ->capture_default_str();
    add_common_options(*app, options->common);
    return {app, [options] { return act(*options); }};
}

} // namespace gramian::app
