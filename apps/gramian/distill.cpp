// `gramian distill`: a task's teacher becomes a student by one least-squares solve on the device.
#include "distill_choice.hpp"
#include "distill_record.hpp"
#include "episodes.hpp"
#include "record.hpp"
#include "run_report.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <numeric>
#include <unistd.h>

namespace gramian::app {
namespace {

constexpr uint32_t kEpisodes = 100;
constexpr double kRidge = 1e-4;

struct DistillOptions {
    CommonOptions common;
    std::string task;
    std::string out;
    uint64_t pairs = 5000;
    bool has_pairs = false;
    std::string demos;
    std::string features;
    std::optional<double> ridge;
    std::string head = "intention";
    uint32_t rounds = 0;
    uint64_t seed = 0;
    std::string record;
    std::vector<std::string> merge;
    std::vector<float> merge_weights;
};

double mean(const std::vector<double>& values)
{
    return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(std::max<size_t>(values.size(), 1));
}

class Distillation {
public:
    Distillation(const DistillOptions& options, const DeviceHandle& device)
        : options_(options), device_(device), features_(chosen_features()), pairs_(first_pairs()),
          learner_(device, features_, pairs_.action_size, options.ridge.value_or(kRidge)),
          choice_(device, features_, options.task, options.seed, options.ridge)
    {
        if (pairs_.observation_size == features_.observation_size) return;
        throw UsageError(fmt::format("observations of {} numbers, and the features take {}", pairs_.observation_size,
                                     features_.observation_size));
    }

    void run()
    {
        for (size_t i = 0; i < options_.merge.size(); ++i) merge(i);
        pair_count_ = static_cast<uint64_t>(std::llround(std::max(merged_pairs_, 0.0)));
        take(pairs_, 0);
        for (uint32_t round = 1; round <= options_.rounds; ++round) {
            const uint64_t count = pairs_.count() > 0 ? pairs_.count() : options_.pairs;
            take(student_pairs(options_.task, options_.seed, count, round, acting()), round);
        }
    }

    /// Over evaluation systems, beside the teacher.
    RunRow evaluate()
    {
        EpisodeOptions episodes;
        episodes.task = options_.task;
        episodes.episodes = kEpisodes;
        episodes.seed = options_.seed;
        const Yardsticks yardsticks = measure_yardsticks(episodes);
        const gramian_device_info info = device_.info();
        const ModelHandle model(device_, chosen_->student.tensors().serialize(), "student");
        return {options_.out,
                options_.task,
                info.name,
                info.is_host ? "host" : "vulkan",
                options_.head,
                options_.seed,
                run_episodes(model, episodes),
                yardsticks.teacher,
                yardsticks.random};
    }

    void save(const RunRow& row)
    {
        Student& student = chosen_->student;
        student.description["teacher_return"] = mean(row.teacher);
        student.description["card"] = card(row);
        TensorsHandle file = student.tensors();
        add_golden(file, {device_, student.tensors().serialize(), "student"},
                   pairs_.count() > 0 ? pairs_ : teacher_pairs(options_.task, options_.seed, 1));
        for (uint32_t i = 0; i < gramian_tensors_count(statistics_.get()); ++i) {
            gramian_tensor_view view{};
            view.size = sizeof view;
            api::check(gramian_tensors_get(statistics_.get(), i, &view));
            const std::string name = view.name;
            if (!name.ends_with(".w")) file.add("statistics." + name, {view.shape, view.rank}, view.values);
        }
        const gramian_status status = gramian_tensors_save(file.get(), options_.out.c_str());
        if (status != GRAMIAN_OK) throw std::runtime_error(gramian_last_error()); // an output: exit code 1, not 4
    }

    /// How the student of round 0 comes about.
    void record()
    {
        Learner learner(device_, features_, pairs_.action_size, chosen_->ridge);
        EpisodeOptions episodes;
        episodes.task = options_.task;
        episodes.seed = options_.seed;
        write_html(record_learning(device_, features_, learner, pairs_, options_.head, chosen_->gain, episodes),
                   options_.record);
    }

    Json json(const RunRow& row) const
    {
        const gramian_solve_report& report = chosen_->solution.report;
        const Json evaluated = run_json(row);
        return {{"task", options_.task},
                {"device", row.device},
                {"pairs", pair_count_},
                {"feature_count", learner_.feature_count()},
                {"ridge", chosen_->ridge},
                {"alpha", report.alpha},
                {"ridge_retries", report.retries},
                {"solver", options_.head == "intention" ? "cholesky" : "none"},
                {"min_pivot", report.min_pivot},
                {"residual", report.residual},
                {"solve_us", chosen_->solution.us},
                {"mean_return", evaluated.at("mean_return")},
                {"worst_return", evaluated.at("worst_return")},
                {"teacher_return", evaluated.at("teacher_return")},
                {"random_return", evaluated.at("random_return")},
                {"return_ratio", evaluated.at("return_ratio")},
                {"gain", chosen_->gain},
                {"round", chosen_->round},
                {"rounds", rounds_},
                {"head", options_.head},
                {"features", features_.card},
                {"pairs_from", pairs_from()},
                {"episodes", row.results.returns.size()},
                {"seed", options_.seed},
                {"out", options_.out}};
    }

private:
    Features chosen_features() const
    {
        if (!options_.features.empty()) return make_features(options_.features, options_.task);
        if (options_.merge.empty()) return make_features("tanh:512", options_.task);
        return features_of_model(TensorsHandle::load(options_.merge.front()), options_.merge.front());
    }

    /// What is learned from at first: nothing where files are merged and no pairs were asked for.
    Pairs first_pairs() const
    {
        if (!options_.demos.empty()) return load_pairs(options_.demos);
        const bool is_only_merge = !options_.merge.empty() && !options_.has_pairs;
        return teacher_pairs(options_.task, options_.seed, is_only_merge ? 0 : options_.pairs);
    }

    void merge(size_t index)
    {
        const std::string& path = options_.merge[index];
        const TensorsHandle file = TensorsHandle::load(path);
        if (features_of_model(file, path).weights != features_.weights) {
            throw UsageError(
                fmt::format("{}: its features are not those of this run: their statistics do not add up", path));
        }
        const float weight = options_.merge_weights.empty() ? 1.0F : options_.merge_weights[index];
        learner_.merge(file, path, weight);
        const Json model = Json::parse(gramian_tensors_get_text(file.get(), "gramian.model"));
        merged_pairs_ += weight * model.value("card", Json::object()).value("pairs", 0.0);
    }

    void take(const Pairs& pairs, uint32_t round)
    {
        learner_.observe(pairs);
        pair_count_ += pairs.count();
        Chosen candidate = choice_.choose(learner_, options_.head);
        candidate.round = round;
        const Learner::Solution& solution = candidate.solution;
        rounds_.push_back({{"round", round},
                           {"pairs", pair_count_},
                           {"validation_return", candidate.validation_return},
                           {"validation_score", candidate.score},
                           {"gain", candidate.gain},
                           {"ridge", candidate.ridge},
                           {"ridge_retries", solution.report.retries},
                           {"min_pivot", solution.report.min_pivot},
                           {"residual", solution.report.residual},
                           {"solve_us", solution.us}});
        if (!options_.common.quiet && isatty(STDERR_FILENO)) {
            fmt::print(stderr, "round {}: {} pairs, validation return {:.1f} at ridge {:g} and gain {}\n", round,
                       pair_count_, candidate.validation_return, candidate.ridge, candidate.gain);
        }
        last_.emplace(candidate.student);
        if (chosen_ && candidate.score <= chosen_->score) return;
        chosen_.emplace(std::move(candidate));
        statistics_ = learner_.statistics();
    }

    /// The latest student at work.
    Policy acting()
    {
        const auto model = std::make_shared<ModelHandle>(device_, last_->tensors().serialize(), "student");
        gramian_session_options chosen = gramian_session_options_default();
        chosen.streams = kStudentStreams;
        const auto session = std::make_shared<SessionHandle>(*model, chosen);
        return [model, session](const std::vector<float>& observations, std::vector<float>& actions) {
            session->step(observations, actions);
        };
    }

    Json pairs_from() const
    {
        if (!options_.demos.empty()) return options_.demos;
        return {{"teacher_noise", kTeacherNoise},
                {"stride", kStride},
                {"candidates_per_pair", kCandidates},
                {"chosen", "half evenly in time, half where farthest from all that was taken"}};
    }

    Json card(const RunRow& row) const
    {
        const double least = *std::min_element(row.results.returns.begin(), row.results.returns.end());
        return {{"summary", fmt::format("Distilled from {} pairs by one least-squares solve: return {:.1f}, worst "
                                        "episode {:.1f}, teacher {:.1f}",
                                        pair_count_, mean(row.results.returns), least, mean(row.teacher))},
                {"features", features_.card},
                {"pairs", pair_count_},
                {"pairs_from", pairs_from()},
                {"rounds", options_.rounds},
                {"round", chosen_->round},
                {"head", options_.head},
                {"ridge", chosen_->ridge},
                {"gain", chosen_->gain},
                {"validation_score", chosen_->score},
                {"seed", options_.seed},
                {"student_return", mean(row.results.returns)},
                {"worst_return", least},
                {"teacher_return", mean(row.teacher)},
                {"merged", options_.merge}};
    }

    const DistillOptions& options_;
    const DeviceHandle& device_;
    Features features_;
    Pairs pairs_;
    Learner learner_;
    Choice choice_;
    TensorsHandle statistics_; // of the chosen student
    std::optional<Chosen> chosen_;
    std::optional<Student> last_;
    uint64_t pair_count_ = 0;
    double merged_pairs_ = 0; // pairs of the merged files, times their weights
    Json rounds_ = Json::array();
};

void print_text(const Json& json)
{
    fmt::print("{}: {} pairs of {}, {} features, solved in {:.0f} us on {}\n", json.at("out").get<std::string>(),
               json.at("pairs").get<uint64_t>(), json.at("task").get<std::string>(),
               json.at("feature_count").get<uint64_t>(), json.at("solve_us").get<double>(),
               json.at("device").get<std::string>());
    fmt::print("  ridge {:g} ({} retries), smallest pivot {:.3g}, residual {:.2g}, gain {}\n",
               json.at("ridge").get<double>(), json.at("ridge_retries").get<uint32_t>(),
               json.at("min_pivot").get<double>(), json.at("residual").get<double>(), json.at("gain").get<double>());
    fmt::print("  {} unseen episodes: mean return {:.1f}, worst {:.1f}; teacher {:.1f}, random actions {:.1f}; ratio "
               "{:.3f}\n",
               json.at("episodes").get<uint64_t>(), json.at("mean_return").get<double>(),
               json.at("worst_return").get<double>(), json.at("teacher_return").get<double>(),
               json.at("random_return").get<double>(), json.at("return_ratio").get<double>());
    if (json.at("rounds").size() < 2) return;
    for (const Json& round : json.at("rounds")) {
        fmt::print("  round {}: {} pairs, validation return {:.1f}\n", round.at("round").get<uint32_t>(),
                   round.at("pairs").get<uint64_t>(), round.at("validation_return").get<double>());
    }
}

void check(const DistillOptions& options)
{
    if (options.has_pairs && !options.demos.empty()) throw UsageError("--pairs and --demos: expected one of them");
    if (!options.merge_weights.empty() && options.merge_weights.size() != options.merge.size()) {
        throw UsageError(
            fmt::format("{} merge weights for {} files", options.merge_weights.size(), options.merge.size()));
    }
    check_output(options.out);
    if (options.record.empty()) return;
    if (!options.record.ends_with(".html")) throw UsageError("--record: expected FILE.html");
    if (!options.merge.empty()) throw UsageError("--record shows learning from pairs: not with --merge");
    check_drawable(options.task);
    check_writable(options.record);
}

Exit distill(const DistillOptions& options)
{
    check(options);
    const DeviceHandle device = open_device(options.common, options.common.device);
    Distillation distillation(options, device);
    distillation.run();
    const RunRow row = distillation.evaluate();
    distillation.save(row);
    const Json json = distillation.json(row);
    if (options.common.json)
        fmt::print("{}\n", json.dump());
    else
        print_text(json);
    if (!options.record.empty()) distillation.record();
    return Exit::done;
}

} // namespace

Command make_distill(CLI::App& parent)
{
    CLI::App* app =
        parent.add_subcommand("distill", "Make a student of a task's teacher by least squares, on the device");
    app->footer(
        R"(Pairs come from the teacher under noise, on training systems: half of them evenly in time, half where they are farthest
from all others. Features of the observation are summed up on the device (k^T k and k^T v), one ridge solve gives the
student's last layer, and validation systems choose ridge and length.
In further rounds the student acts, the teacher says what it would have done, and the sums grow; the best round on
validation systems is kept. The file is an ordinary model for run, act and eval, and carries its sums: --merge adds
those of earlier runs with the same features, with --merge-weights -1 takes them away.

Examples:
  gramian distill pendulum --pairs 5000 --out pendulum.safetensors && gramian run ./pendulum.safetensors
  gramian distill pendulum --merge a.safetensors b.safetensors --out both.safetensors)");
    auto options = std::make_shared<DistillOptions>();
    app->add_option("task", options->task, "The task whose teacher is distilled")->required();
    app->add_option("--out", options->out, "FILE.safetensors")->required();
    CLI::Option* pairs = app->add_option("--pairs", options->pairs, "Pairs of the teacher, and of each round")
                             ->check(CLI::Range(uint64_t{1}, uint64_t{10'000'000}))
                             ->capture_default_str();
    app->add_option("--demos", options->demos, "FILE.safetensors of gramian demo instead");
    app->add_option("--features", options->features,
                    "tanh:P, rff:P, raw, or MODEL.safetensors; default: tanh:512, or those of the merged files");
    app->add_option(
           "--ridge", options->ridge,
           "Relative to the mean diagonal of the Gram matrix; default: 1e-4, or what does better on validation "
           "systems")
        ->check(CLI::Range(0.0, 1e6));
    app->add_option("--head", options->head,
                    "intention: least squares; linear: the sums alone, as linear attention reads")
        ->check(CLI::IsMember({"intention", "linear"}))
        ->capture_default_str();
    app->add_option("--rounds", options->rounds, "Rounds in which the student acts and the teacher labels")
        ->check(CLI::Range(0U, 1000U))
        ->capture_default_str();
    app->add_option("--seed", options->seed, "Which systems")->capture_default_str();
    app->add_option("--record", options->record, "FILE.html: the number of pairs as a slider");
    app->add_option("--merge", options->merge, "Files of earlier runs, whose statistics are added")->expected(1, 1000);
    app->add_option("--merge-weights", options->merge_weights, "A weight for each of them; default: 1")
        ->expected(1, 1000);
    add_common_options(*app, options->common);
    return {app, [options, pairs] {
                options->has_pairs = pairs->count() > 0;
                return distill(*options);
            }};
}

} // namespace gramian::app
