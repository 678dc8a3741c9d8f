// What a run leaves: one record a case, one report a device, and the files that are made of them.
#pragma once

#include "options.hpp"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace gramian::conformance {

using Json = nlohmann::json;

enum class Outcome : uint32_t { pass, fail, unsupported, waived, timeout, crash, device_lost };

std::string_view outcome_name(Outcome outcome);
/// fail, timeout, crash, device_lost.
bool is_failure(Outcome outcome);

struct Record {
    std::string name;
    std::string family;
    std::string op;
    Outcome outcome = Outcome::pass;
    std::string reason;
    double tolerance_rms = 0;
    double tolerance_max = 0;
    double tolerance_abs = 0;
    double rms = 0;
    double max = 0;
    uint64_t worst_index = 0;
    double us = 0;
    uint64_t pipelines = 0; // made by the device so far; 0 where the case ran in a process of its own
};

/// A run on one device.
struct Report {
    Json header = Json::object(); // what conformance.h gives
    std::vector<Record> records;
};

/// The record as it stands in a JSON report.
Json json_of(const Record& record);

/// {engine_version, git_revision, spirv_hash, seed, device …, cases: […]}; with several devices the header is that of
/// the first, `devices` holds all, and each case names its device. These throw Stop when a file cannot be written.
void write_json(const std::string& path, const std::vector<Report>& reports);
void write_junit(const std::string& path, const std::vector<Report>& reports);
/// The device passport, one self-contained page. `bench`: what gramian-bench wrote, or null.
void write_passport(const std::string& path, const std::vector<Report>& reports, const Json& bench);

/// Throws Stop, naming the path.
void write_text(const std::string& path, std::string_view text);
Json read_json(const std::string& path);

} // namespace gramian::conformance
