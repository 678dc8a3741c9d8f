// `gramian run`: an agent on a task, beside its teacher.
#include "agents.hpp"
#include "command.hpp"
#include "record.hpp"
#include "run_report.hpp"
#include "view_term.hpp"

#include <cstdio>
#include <fmt/format.h>
#include <fmt/os.h>
#include <unistd.h>

namespace gramian::app {
namespace {

constexpr uint32_t kRecordedEpisodes = 6;
const std::vector<std::string> kHeads{"intention", "linear", "softmax"};

struct RunOptions {
    CommonOptions common;
    std::string agent = "cartpole-fewshot";
    std::string task;
    uint32_t episodes = 100;
    uint64_t seed = 0;
    uint32_t streams = 0;
    std::string head;
    std::string view = "none";
    std::string record;
    std::string trace;
};

const char* head_label(const std::string& head)
{
    if (head == kNoHead) return "Agent";
    if (head == "intention") return "Intention";
    return head == "linear" ? "Linear attention" : "Softmax attention";
}

bool is_shown(const RunOptions& options)
{
    return !options.record.empty() || options.view == "term";
}

/// Which heads run: the one that was asked for; all of a shipped agent for a table or a picture; else the model's own.
std::vector<std::string> heads_to_run(const RunOptions& options)
{
    if (!options.head.empty()) return {options.head};
    if (options.common.json && !is_shown(options)) return {"intention"};
    std::vector<std::string> heads;
    for (const std::string& head : kHeads) {
        try {
            (void)find_agent(options.agent, head);
            if (heads.empty() || find_agent(options.agent, head) != find_agent(options.agent, heads.front())) {
                heads.push_back(head);
            }
        } catch (const UsageError&) {
            if (head == "intention") throw;
        }
    }
    return heads;
}

std::vector<std::string> selectors(const CommonOptions& options)
{
    if (options.device != "all") return {options.device};
    std::vector<std::string> all;
    const std::vector<gramian_device_info> infos = device_list();
    for (size_t i = 0; i < infos.size(); ++i) all.push_back(infos[i].is_host ? "host" : std::to_string(i));
    return all;
}

std::string task_of(const RunOptions& options, const Json& description)
{
    if (!options.task.empty()) return options.task;
    if (description.contains("task")) return description.at("task").get<std::string>();
    throw UsageError(fmt::format("the model {} names no task: say which with --task", options.agent));
}

RunRow run_head(const DeviceHandle& device, const RunOptions& options, const std::string& head,
                EpisodeOptions& episodes, Yardsticks& yardsticks)
{
    const ModelHandle model(device, find_agent(options.agent, head).string());
    const Json description = Json::parse(model.json());
    episodes.task = task_of(options, description);
    if (is_shown(options) && !is_drawable(episodes)) {
        throw UsageError(fmt::format("no picture of the task {}: only cart-poles are drawn", episodes.task));
    }
    if (yardsticks.teacher.empty()) yardsticks = measure_yardsticks(episodes);
    const gramian_device_info info = device.info();
    RunRow row{description.at("name").get<std::string>(),
               episodes.task,
               info.name,
               info.is_host ? "host" : "vulkan",
               description.value("has_context", false) ? head : kNoHead,
               options.seed,
               run_episodes(model, episodes),
               yardsticks.teacher,
               yardsticks.random};
    if (options.agent.find('/') == std::string::npos) row.agent = options.agent;
    return row;
}

Recording make_recording(const std::vector<RunRow>& rows, const Yardsticks& yardsticks, double period_s)
{
    Recording recording;
    const RunRow& first = rows.front();
    if (first.head == kNoHead) {
        recording.title = first.agent;
        recording.subtitle = fmt::format("Task {}, episodes that no training has seen (seed {}), on {}.", first.task,
                                         first.seed, first.device);
    } else {
        recording.title = fmt::format("{}: one demonstration each", first.agent);
        recording.subtitle = fmt::format("Cart-poles that no training has seen (seed {}). Each agent saw one "
                                         "demonstration of the teacher on this very system and learned from it on {}. "
                                         "The three heads share one encoder design, recipe and number of training "
                                         "iterations.",
                                         first.seed, first.device);
    }
    recording.period_s = period_s;
    recording.episodes = yardsticks.recorded;
    for (const RunRow& row : rows) {
        for (size_t i = 0; i < recording.episodes.size(); ++i) {
            RecordedPane pane = row.results.trajectories[i].pane;
            pane.label = head_label(row.head);
            pane.total_return = row.results.returns[i];
            pane.teacher_ratio = row.results.returns[i] / row.teacher[i];
            recording.episodes[i].panes.push_back(std::move(pane));
        }
    }
    return recording;
}

void write_trace(const std::string& path, const RunRow& row)
{
    std::string text = "episode,step";
    const Trajectory& first = row.results.trajectories.front();
    const size_t steps = std::max<size_t>(first.rewards.size(), 1);
    const size_t observation_size = first.observations.size() / steps;
    const size_t action_size = first.actions.size() / steps;
    for (size_t i = 0; i < observation_size; ++i) text += fmt::format(",observation_{}", i);
    for (size_t i = 0; i < action_size; ++i) text += fmt::format(",action_{}", i);
    text += ",reward\n";
    for (size_t episode = 0; episode < row.results.trajectories.size(); ++episode) {
        const Trajectory& kept = row.results.trajectories[episode];
        for (size_t step = 0; step < kept.rewards.size(); ++step) {
            text += fmt::format("{},{}", episode, step);
            for (size_t i = 0; i < observation_size; ++i)
                text += fmt::format(",{}", kept.observations[step * observation_size + i]);
            for (size_t i = 0; i < action_size; ++i) text += fmt::format(",{}", kept.actions[step * action_size + i]);
            text += fmt::format(",{}\n", kept.rewards[step]);
        }
    }
    replace_file(path, text);
}

void check_outputs(const RunOptions& options)
{
    if (!options.record.empty()) check_writable(options.record);
    if (options.trace.empty()) return;
    std::FILE* file = std::fopen(options.trace.c_str(), "a");
    if (!file) throw std::runtime_error(fmt::format("cannot write {}", options.trace));
    std::fclose(file);
}

void print_results(const RunOptions& options, const std::vector<RunRow>& rows)
{
    if (!options.common.json) return print_run_table(rows);
    if (options.common.device != "all") {
        fmt::print("{}\n", run_json(rows.front()).dump());
        return;
    }
    Json list = Json::array();
    for (const RunRow& row : rows) list.push_back(run_json(row));
    fmt::print("{}\n", Json{{"rows", list}}.dump());
}

Exit run(const RunOptions& options)
{
    check_outputs(options);
    const std::vector<std::string> heads = heads_to_run(options);
    const bool has_progress = !options.common.quiet && isatty(STDERR_FILENO);
    EpisodeOptions episodes;
    episodes.episodes = options.episodes;
    episodes.streams = options.streams;
    episodes.seed = options.seed;
    episodes.profile = options.common.profile;
    episodes.recorded = !options.trace.empty() ? options.episodes : is_shown(options) ? kRecordedEpisodes : 0;
    std::vector<RunRow> rows;
    Yardsticks yardsticks;
    for (const std::string& selector : selectors(options.common)) {
        const DeviceHandle device = open_device(options.common, selector);
        for (const std::string& head : heads) {
            if (has_progress) fmt::print(stderr, "\r{}: {} head …\x1b[K", device.info().name, head);
            rows.push_back(run_head(device, options, head, episodes, yardsticks));
        }
    }
    if (has_progress) fmt::print(stderr, "\r\x1b[K");
    print_results(options, rows);
    if (!options.trace.empty()) write_trace(options.trace, rows.front());
    if (!is_shown(options)) return Exit::done;
    rows.resize(heads.size()); // of the first device
    yardsticks.recorded.resize(std::min<size_t>(yardsticks.recorded.size(), kRecordedEpisodes));
    const double period_s = tasks::make_task(episodes.task, tasks::Purpose::evaluation, options.seed, 0)->period_s();
    const Recording recording = make_recording(rows, yardsticks, period_s);
    if (!options.record.empty()) write_recording(recording, options.record);
    if (options.view == "term") play_in_terminal(recording);
    return Exit::done;
}

} // namespace

Command make_run(CLI::App& parent)
{
    CLI::App* app = parent.add_subcommand("run", "Run an agent on its task, beside its teacher");
    app->footer("Example:\n  gramian run cartpole-fewshot --episodes 100 --seed 1 --record fewshot.html");
    auto options = std::make_shared<RunOptions>();
    app->add_option("agent", options->agent, "A shipped agent (see gramian agents) or a path to a model file")
        ->capture_default_str();
    app->add_option("--task", options->task, "Another task than the agent's own");
    app->add_option("--episodes", options->episodes, "Systems to control, one episode each")
        ->check(CLI::Range(1U, 1'000'000U))
        ->capture_default_str();
    app->add_option("--seed", options->seed, "Which systems")->capture_default_str();
    app->add_option("--streams", options->streams, "Episodes side by side; default: all")
        ->check(CLI::Range(1U, 1'000'000U));
    app->add_option("--head", options->head, "Only this head")->check(CLI::IsMember(kHeads));
    app->add_option("--view", options->view, "term: watch it in the terminal")
        ->check(CLI::IsMember({"term", "none"}))
        ->capture_default_str();
    app->add_option("--record", options->record, "FILE.html, FILE.gif or FILE.png: all agents on the same systems");
    app->add_option("--trace", options->trace, "FILE.csv: every step of every episode");
    add_common_options(*app, options->common);
    return {app, [options] { return run(*options); }};
}

} // namespace gramian::app
