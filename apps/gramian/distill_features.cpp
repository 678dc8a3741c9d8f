#include "distill_features.hpp"

#include "distill_pairs.hpp"

#include <random.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fmt/format.h>
#include <numbers>
#include <set>

namespace gramian::app {
namespace {

using tasks::Lane;
using tasks::Purpose;
using tasks::Random;

// In units of the standard deviation of each channel: how many steep places a random direction has in the data.
constexpr double kTanhScale = 0.7;
constexpr double kCosineScale = 1.0;
constexpr uint64_t kFeatureSeed = 0;
constexpr uint64_t kProbedStates = 2000;
constexpr uint64_t kMaxFeatures = 1024; // unknowns of one solve

/// What the teacher sees, to place features where the states are.
struct Probe {
    std::vector<float> observations; // [kProbedStates, size]
    uint64_t size = 0;
    std::vector<double> mean;
    std::vector<double> deviation; // at least 1e-3, so that a constant channel does no harm

    explicit Probe(const std::string& task)
    {
        const Pairs pairs = teacher_steps(task, kFeatureSeed, kProbedStates);
        observations = pairs.observations;
        size = pairs.observation_size;
        mean.assign(size, 0.0);
        deviation.assign(size, 0.0);
        const double share = 1.0 / static_cast<double>(pairs.count());
        for (size_t i = 0; i < observations.size(); ++i) mean[i % size] += share * static_cast<double>(observations[i]);
        for (size_t i = 0; i < observations.size(); ++i) {
            const double off = static_cast<double>(observations[i]) - mean[i % size];
            deviation[i % size] += share * off * off;
        }
        for (double& value : deviation) value = std::max(std::sqrt(value), 1e-3);
    }
};

void add_linear(Features& features, const std::string& out)
{
    features.nodes.push_back({{"op", "linear"},
                              {"in", {"observation"}},
                              {"out", {out}},
                              {"weights", {{"weight", "features.weight"}, {"bias", "features.bias"}}}});
    features.value = out;
}

void set_weights(Features& features, std::vector<float> weight, std::vector<float> bias)
{
    const uint64_t count = bias.size();
    features.weights = {{"features.weight", {count, weight.size() / count}, std::move(weight)},
                        {"features.bias", {count}, std::move(bias)}};
    features.count = count;
}

/// Row i: w ~ N(0, scale / deviation), with the bias that puts its zero on a random state or, for cosines, anywhere.
Features random_features(const std::string& kind, uint64_t count, const Probe& probe)
{
    const bool is_tanh = kind == "tanh";
    const double scale = is_tanh ? kTanhScale : kCosineScale;
    Random random(Purpose::training, Lane::policy, kFeatureSeed, UINT32_MAX);
    std::vector<float> weight;
    std::vector<float> bias;
    for (uint64_t i = 0; i < count; ++i) {
        const auto row = static_cast<size_t>(random.uniform(0, kProbedStates)) * probe.size;
        double dot = 0;
        for (uint64_t c = 0; c < probe.size; ++c) {
            weight.push_back(static_cast<float>(random.normal() * scale / probe.deviation[c]));
            dot += static_cast<double>(weight.back()) * static_cast<double>(probe.observations[row + c]);
        }
        bias.push_back(static_cast<float>(is_tanh ? -dot : random.uniform(0, 2 * std::numbers::pi)));
    }
    Features features;
    add_linear(features, "direction");
    features.nodes.push_back({{"op", "activation"},
                              {"in", {"direction"}},
                              {"out", {"feature"}},
                              {"attributes", {{"kind", is_tanh ? "tanh" : "cos"}}}});
    features.value = "feature";
    features.card = {{"kind", kind}, {"count", count}, {"scale", scale}, {"seed", kFeatureSeed}};
    set_weights(features, std::move(weight), std::move(bias));
    return features;
}

Features raw_features(const Probe& probe)
{
    std::vector<float> weight((probe.size + 1) * probe.size, 0.0F);
    std::vector<float> bias(probe.size + 1, 1.0F); // the last row is the constant
    for (uint64_t c = 0; c < probe.size; ++c) {
        weight[c * probe.size + c] = static_cast<float>(1 / probe.deviation[c]);
        bias[c] = static_cast<float>(-probe.mean[c] / probe.deviation[c]);
    }
    Features features;
    add_linear(features, "feature");
    features.card = {{"kind", "raw"}, {"count", probe.size + 1}, {"scale", 1.0}, {"seed", kFeatureSeed}};
    set_weights(features, std::move(weight), std::move(bias));
    return features;
}

uint64_t parse_count(const std::string& spec, size_t colon)
{
    uint64_t count = 0;
    const char* end = spec.data() + spec.size();
    const auto [rest, error] = std::from_chars(spec.data() + colon + 1, end, count);
    if (error != std::errc() || rest != end || count < 1 || count > kMaxFeatures) {
        throw UsageError(
            fmt::format("--features {}: expected a number from 1 to {} after the colon", spec, kMaxFeatures));
    }
    return count;
}

/// The value that node `index` reads as its features, or nothing where it is no head.
std::string head_input(const Json& node, const std::set<std::string>& contexts)
{
    const Json& in = node.at("in");
    if (in.is_object() && in.contains("q") && contexts.contains(in.value("v", ""))) return in.at("q");
    return {};
}

void add_weights_of(const Json& node, const TensorsHandle& file, Features& features)
{
    const Json weights = node.value("weights", Json::object());
    for (const auto& [port, name] : weights.items()) {
        const std::string tensor = name.get<std::string>();
        const auto is_same = [&](const NamedWeight& weight) { return weight.name == tensor; };
        if (std::any_of(features.weights.begin(), features.weights.end(), is_same)) continue;
        const gramian_tensor_view view = file.find(tensor);
        features.weights.push_back(
            {tensor, {view.shape, view.shape + view.rank}, {view.values, view.values + view.element_count}});
    }
}

} // namespace

Features features_of_model(const TensorsHandle& file, const std::string& path)
{
    const char* text = gramian_tensors_get_text(file.get(), "gramian.model");
    if (!text) throw UsageError(fmt::format("{}: expected a model file, found one without gramian.model", path));
    const Json model = Json::parse(text);
    std::set<std::string> contexts;
    Features features;
    for (const Json& input : model.at("inputs")) {
        if (input.value("context", false)) contexts.insert(input.at("name").get<std::string>());
        if (!input.value("context", false)) features.observation_size = input.at("size");
    }
    size_t head = model.at("nodes").size();
    for (size_t i = 0; i < model.at("nodes").size() && head == model.at("nodes").size(); ++i) {
        features.value = head_input(model.at("nodes")[i], contexts);
        if (!features.value.empty()) head = i;
    }
    for (size_t i = model.at("nodes").size(); i-- > 0 && features.value.empty();) {
        const Json& node = model.at("nodes")[i];
        if (node.at("op") != "linear") continue;
        features.value = node.at("in").is_object() ? node.at("in").at("x") : node.at("in").at(0);
        head = i;
    }
    if (features.value.empty() || head == 0) {
        throw UsageError(fmt::format("{}: no layer before a head or a last linear node: nothing to take", path));
    }
    for (size_t i = 0; i < head; ++i) {
        features.nodes.push_back(model.at("nodes")[i]);
        add_weights_of(model.at("nodes")[i], file, features);
    }
    const Json card = model.value("card", Json::object());
    features.card =
        card.contains("features") ? card.at("features") : Json{{"kind", "model"}, {"model", model.at("name")}};
    return features;
}

Features make_features(const std::string& spec, const std::string& task)
{
    const size_t colon = spec.find(':');
    const std::string kind = spec.substr(0, colon);
    Features features;
    if (spec == "raw") {
        features = raw_features(Probe(task));
    } else if (colon != std::string::npos && (kind == "tanh" || kind == "rff")) {
        features = random_features(kind, parse_count(spec, colon), Probe(task));
    } else if (spec.ends_with(".safetensors")) {
        return features_of_model(TensorsHandle::load(spec), spec);
    } else {
        throw UsageError(fmt::format("--features {}: expected tanh:P, rff:P, raw or MODEL.safetensors", spec));
    }
    features.observation_size = features.weights.front().shape[1];
    return features;
}

} // namespace gramian::app
