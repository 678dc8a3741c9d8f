#include "distill_model.hpp"

#include <task.hpp>

#include <algorithm>
#include <chrono>
#include <fmt/format.h>

namespace gramian::app {
namespace {

constexpr uint64_t kGoldenTokens = 16;
constexpr uint64_t kObservedAtOnce = 1000;
const std::string kAnswer = "answer"; // the value of the learning node and of the student's last layer
const std::string kStatistics = "statistics.";

Json port(const std::string& name, uint64_t size)
{
    return {{"name", name}, {"size", size}};
}

TensorsHandle with_model(const Json& description, const std::vector<NamedWeight>& weights)
{
    TensorsHandle tensors;
    for (const NamedWeight& weight : weights) tensors.add(weight.name, weight.shape, weight.values.data());
    tensors.set_text("gramian.model", description.dump());
    return tensors;
}

ModelHandle learner_model(const DeviceHandle& device, const Features& features, uint64_t action_size, double ridge)
{
    Json target = port("target", action_size);
    target["context"] = true;
    Json nodes = features.nodes;
    nodes.push_back({{"op", "intention"},
                     {"in", {{"q", features.value}, {"k", features.value}, {"v", "target"}}},
                     {"out", {kAnswer}},
                     {"attributes", {{"alpha_relative", ridge}}}});
    const Json description{{"version", 1},
                           {"name", "learner"},
                           {"inputs", {port("observation", features.observation_size), target}},
                           {"outputs", {port(kAnswer, action_size)}},
                           {"nodes", nodes}};
    return {device, with_model(description, features.weights).serialize(), "learner"};
}

gramian_session_options one_stream()
{
    gramian_session_options options = gramian_session_options_default();
    options.streams = 1;
    return options;
}

std::vector<float> values_of(const TensorsHandle& tensors, const std::string& name)
{
    const gramian_tensor_view view = tensors.find(name);
    return {view.values, view.values + view.element_count};
}

/// The step from 0 along the steepest descent of |k w - v|^2 that goes as low as it can: c S, c = S.S / S.(G S).
std::vector<float> one_gradient_step(const std::vector<float>& g, const std::vector<float>& s, uint64_t actions)
{
    const uint64_t count = s.size() / actions;
    double squares = 0;
    double curvature = 0;
    for (uint64_t i = 0; i < count; ++i) {
        for (uint64_t a = 0; a < actions; ++a) {
            double sum = 0;
            for (uint64_t j = 0; j < count; ++j) {
                sum += static_cast<double>(g[i * count + j]) * static_cast<double>(s[j * actions + a]);
            }
            const double own = s[i * actions + a];
            squares += own * own;
            curvature += own * sum;
        }
    }
    std::vector<float> w = s;
    for (float& value : w) value *= static_cast<float>(curvature > 0 ? squares / curvature : 0);
    return w;
}

} // namespace

Learner::Learner(const DeviceHandle& device, const Features& features, uint64_t action_size, double ridge)
    : action_size_(action_size), ridge_(ridge), model_(learner_model(device, features, action_size, ridge)),
      session_(model_, one_stream())
{
    feature_count_ = statistics().find(kAnswer + ".w").element_count / action_size_;
}

void Learner::observe(const Pairs& pairs)
{
    const uint32_t stream = 0;
    for (uint64_t done = 0; done < pairs.count(); done += kObservedAtOnce) {
        const auto count = static_cast<uint32_t>(std::min(kObservedAtOnce, pairs.count() - done));
        const float* inputs[] = {pairs.observations.data() + done * pairs.observation_size,
                                 pairs.targets.data() + done * pairs.action_size};
        session_.observe({&stream, 1}, {&count, 1}, inputs);
    }
}

void Learner::take(const TensorsHandle& statistics)
{
    TensorsHandle added;
    for (const char* name : {"g", "s"}) {
        const std::string own = kAnswer + "." + name;
        const gramian_tensor_view view = statistics.find(own);
        added.add(own, {view.shape, view.rank}, view.values);
    }
    session_.add_statistics(0, added, 1);
}

void Learner::merge(const TensorsHandle& file, const std::string& path, float weight)
{
    TensorsHandle added;
    for (const char* name : {"g", "s"}) {
        const std::string own = kAnswer + "." + name;
        const gramian_tensor_view view = file.find(kStatistics + own);
        added.add(own, {view.shape, view.rank}, view.values);
    }
    try {
        session_.add_statistics(0, added, weight);
    } catch (const ApiError& error) {
        throw ApiError(error.status(), path + ": " + error.what());
    }
}

Learner::Solution Learner::solve(const std::string& head)
{
    Solution solution;
    const uint32_t stream = 0;
    const auto start = std::chrono::steady_clock::now();
    if (head == "intention") solution.report = session_.solve({&stream, 1}).front();
    const std::chrono::duration<double, std::micro> spent = std::chrono::steady_clock::now() - start;
    solution.us = spent.count();
    const TensorsHandle held = statistics();
    const std::vector<float> w = head == "intention" ? values_of(held, kAnswer + ".w")
                                                     : one_gradient_step(values_of(held, kAnswer + ".g"),
                                                                         values_of(held, kAnswer + ".s"), action_size_);
    solution.weight.resize(w.size());
    for (uint64_t i = 0; i < feature_count_; ++i) {
        for (uint64_t a = 0; a < action_size_; ++a) {
            solution.weight[a * feature_count_ + i] = w[i * action_size_ + a];
        }
    }
    return solution;
}

TensorsHandle Student::tensors() const
{
    return with_model(description, weights);
}

Student make_student(const Features& features, const Learner::Solution& solution, uint64_t action_size, float gain,
                     const std::string& task)
{
    const std::vector<float> low(action_size, -1.0F);
    const std::vector<float> high(action_size, 1.0F);
    Student student;
    student.weights = features.weights;
    student.weights.push_back({"student.weight", {action_size, solution.weight.size() / action_size}, solution.weight});
    for (float& value : student.weights.back().values) value *= gain;
    Json nodes = features.nodes;
    nodes.push_back(
        {{"op", "linear"}, {"in", {features.value}}, {"out", {kAnswer}}, {"weights", {{"weight", "student.weight"}}}});
    nodes.push_back({{"op", "squash"},
                     {"in", {kAnswer}},
                     {"out", {"action"}},
                     {"attributes", {{"kind", "clip"}, {"low", low}, {"high", high}}}});
    Json action = port("action", action_size);
    action["low"] = low;
    action["high"] = high;
    const double period_s = tasks::make_task(task, tasks::Purpose::validation, 0, 0)->period_s();
    student.description = {{"version", 1},        {"name", task + "-distilled"},
                           {"task", task},        {"inputs", {port("observation", features.observation_size)}},
                           {"outputs", {action}}, {"period_s", period_s},
                           {"nodes", nodes}};
    return student;
}

void add_golden(TensorsHandle& file, const ModelHandle& student, const Pairs& pairs)
{
    const uint64_t tokens = std::min(kGoldenTokens, pairs.count());
    gramian_session_options options = one_stream();
    options.streams = static_cast<uint32_t>(tokens);
    SessionHandle session(student, options);
    std::vector<float> actions(tokens * pairs.action_size);
    session.step({pairs.observations.data(), tokens * pairs.observation_size}, actions);
    file.add("golden.observation", std::vector{tokens, pairs.observation_size}, pairs.observations.data());
    file.add("golden.action", std::vector{tokens, pairs.action_size}, actions.data());
}

} // namespace gramian::app
