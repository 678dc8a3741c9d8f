// What a run prints: the JSON row of one agent on one device, and the table for people.
#pragma once

#include "episodes.hpp"

#include <string>
#include <vector>

namespace gramian::app {

/// The head of a model that learns nothing from demonstrations.
constexpr const char* kNoHead = "none";

struct RunRow {
    std::string agent;
    std::string task;
    std::string device;
    std::string executor; // vulkan or host
    std::string head;     // or kNoHead
    uint64_t seed = 0;
    EpisodeResults results;
    std::vector<double> teacher;
    std::vector<double> random;
};

/// Mean over teacher's mean, or both measured from chance where the teacher's return is not positive.
double return_ratio(const RunRow& row);
/// Episodes above half of their own teacher episode.
uint32_t episodes_above_half(const RunRow& row);

Json run_json(const RunRow& row);
/// The teacher, chance, and a line for each row; then speed, and the time per node where it was measured.
void print_run_table(const std::vector<RunRow>& rows);

} // namespace gramian::app
