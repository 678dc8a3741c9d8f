// The features that distillation fits: nodes that make a vector of P numbers of an observation, and their weights.
#pragma once

#include "command.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace gramian::app {

struct NamedWeight {
    std::string name;
    std::vector<uint64_t> shape;
    std::vector<float> values;

    bool operator==(const NamedWeight&) const = default;
};

struct Features {
    Json nodes = Json::array();       // of a model file
    std::vector<NamedWeight> weights; // of these nodes
    std::string value;                // the name of what the last of them makes
    uint64_t count = 0;               // P; 0: known once the model is loaded
    uint64_t observation_size = 0;
    Json card; // kind, count, scale, seed
};

/// `spec`: tanh:P (tanh of random directions, centred on states that the teacher passes), rff:P (cosines of random
/// directions with random phases; Rahimi & Recht 2007), raw (the standardised observation and a constant), or a model
/// file: what the last linear layer, or the head that learns, is given there. The weights of a spec depend on the task
/// alone, never on the run, so that the statistics of two runs add up. Throws UsageError for a spec that it cannot
/// read.
Features make_features(const std::string& spec, const std::string& task);

/// The features of a model file; throws UsageError where it has none.
Features features_of_model(const TensorsHandle& file, const std::string& path);

} // namespace gramian::app
