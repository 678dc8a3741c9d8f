// Distillation in fp32 on the device against the same in double: what counts is how the students act.
#include "pendulum.hpp"
#include "session_run.hpp"

#include <cmath>

using namespace gramian;

namespace {

constexpr uint32_t kFeatures = 256;
constexpr uint32_t kPairs = 3000;
constexpr uint32_t kEpisodes = 400;
constexpr double kRidge = 1e-4; // of the mean diagonal
constexpr double kGain = 2;     // the answer is clipped, and a longer one is a sharper one

/// tanh of random directions through states of the task.
struct Layer {
    std::vector<float> weight; // [kFeatures, 3]
    std::vector<float> bias;
};

/// The teacher under noise.
Demonstration shown_pairs()
{
    Demonstration pairs(kPairs, 3, 1, 1);
    uint32_t count = 0;
    for (uint32_t index = 0; count < kPairs; ++index) {
        tasks::Pendulum task(tasks::Purpose::training, 3, index);
        tasks::Random noise(tasks::Purpose::training, tasks::Lane::policy, 3, index);
        for (uint32_t at = 0; !task.is_done() && count < kPairs; ++at) {
            float action = 0;
            task.teach(&action);
            if (at % 4 == 0) {
                task.observe(&pairs.x[size_t{3} * count]);
                pairs.y[count++] = action;
            }
            action += static_cast<float>(0.5 * noise.normal());
            task.step(&action);
        }
    }
    return pairs;
}

Layer random_layer(const Demonstration& pairs)
{
    const float scale[] = {4, 4, 1};
    Layer layer{random_values(7, size_t{3} * kFeatures), std::vector<float>(kFeatures)};
    for (uint32_t i = 0; i < kFeatures; ++i) {
        for (uint32_t c = 0; c < 3; ++c) {
            layer.weight[3 * i + c] *= scale[c];
            layer.bias[i] -= layer.weight[3 * i + c] * pairs.x[size_t{3} * (i * 11 % kPairs) + c];
        }
    }
    return layer;
}

std::vector<double> features_double(const Layer& layer, const float* observation)
{
    std::vector<double> features(kFeatures);
    for (uint32_t i = 0; i < kFeatures; ++i) {
        double sum = layer.bias[i];
        for (uint32_t c = 0; c < 3; ++c) sum += static_cast<double>(layer.weight[3 * i + c]) * observation[c];
        features[i] = std::tanh(sum);
    }
    return features;
}

std::vector<double> solution_double(const Layer& layer, const Demonstration& pairs)
{
    std::vector<double> g(size_t{kFeatures} * kFeatures);
    std::vector<double> s(kFeatures);
    for (uint32_t t = 0; t < kPairs; ++t) {
        const std::vector<double> k = features_double(layer, &pairs.x[size_t{3} * t]);
        for (uint32_t i = 0; i < kFeatures; ++i) {
            s[i] += k[i] * pairs.y[t];
            for (uint32_t j = 0; j < kFeatures; ++j) g[size_t{i} * kFeatures + j] += k[i] * k[j];
        }
    }
    double trace = 0;
    for (uint32_t i = 0; i < kFeatures; ++i) trace += g[size_t{i} * kFeatures + i];
    for (uint32_t i = 0; i < kFeatures; ++i) g[size_t{i} * kFeatures + i] += kRidge * trace / kFeatures;
    return solve_double(g, s, kFeatures, 1);
}

/// The mean return of a policy: [kEpisodes, 3] in, [kEpisodes] out.
template <class Policy>
double mean_return(Policy policy)
{
    std::vector<std::unique_ptr<tasks::Task>> systems;
    for (uint32_t i = 0; i < kEpisodes; ++i) systems.push_back(tasks::make_pendulum(tasks::Purpose::evaluation, 3, i));
    std::vector<float> observations(size_t{3} * kEpisodes);
    double total = 0;
    while (!systems.front()->is_done()) {
        for (uint32_t i = 0; i < kEpisodes; ++i) systems[i]->observe(&observations[size_t{3} * i]);
        const std::vector<float> actions = policy(observations);
        for (uint32_t i = 0; i < kEpisodes; ++i) total += systems[i]->step(&actions[i]);
    }
    return total / kEpisodes;
}

} // namespace

TEST_CASE("distillation: at a relative ridge of 1e-4 the fp32 student returns what the student in double does, to 1 %")
{
    const Demonstration pairs = shown_pairs();
    const Layer layer = random_layer(pairs);
    ModelFile file = encoded_model("intention", {{"alpha_relative", kRidge}}, 3, kFeatures, 1);
    file.store("w", {kFeatures, 3}, layer.weight);
    file.store("b", {kFeatures}, layer.bias);
    const Model model = file.parse(test_device());
    Session learner = make_session(model, 1);
    show(learner, 0, pairs);
    const SolveOutcome outcome = learner.solve(all_streams(learner)).front();
    CHECK(outcome.status == SolveStatus::solved);
    CHECK(outcome.retries == 0);
    const std::vector<NamedArray> learned = learner.statistics(0);
    Session students = make_session(model, kEpisodes);
    students.add_statistics(0, learned, 1);
    const uint32_t first[] = {0};
    (void)students.solve(first);
    std::vector<uint32_t> others(kEpisodes - 1);
    std::iota(others.begin(), others.end(), 1U);
    students.copy(0, others);
    const double single = mean_return([&](const std::vector<float>& observations) {
        std::vector<float> actions = step(students, observations);
        for (float& action : actions) action *= static_cast<float>(kGain);
        return actions;
    });

    const std::vector<double> w = solution_double(layer, pairs);
    const double twin = mean_return([&](const std::vector<float>& observations) {
        std::vector<float> actions;
        for (uint32_t i = 0; i < kEpisodes; ++i) {
            const std::vector<double> k = features_double(layer, &observations[size_t{3} * i]);
            double sum = 0;
            for (uint32_t j = 0; j < kFeatures; ++j) sum += k[j] * w[j];
            actions.push_back(static_cast<float>(kGain * sum));
        }
        return actions;
    });
    CAPTURE(single);
    CAPTURE(twin);
    CHECK(std::abs(single - twin) < 0.01 * std::abs(twin));
    CHECK(twin > -200);
}
