#include "report.hpp"

#include <fmt/format.h>
#include <pugixml.hpp>
#include <sstream>

namespace gramian::conformance {
namespace {

/// XML has no control characters, not even escaped.
std::string printable(std::string text)
{
    for (char& letter : text) {
        if (static_cast<unsigned char>(letter) < 0x20) letter = ' ';
    }
    return text;
}

void add_case(pugi::xml_node suite, const Record& record)
{
    pugi::xml_node test = suite.append_child("testcase");
    test.append_attribute("name") = record.name.c_str();
    test.append_attribute("classname") = record.family.c_str();
    test.append_attribute("time") = fmt::format("{:.6f}", record.us * 1e-6).c_str();
    if (record.outcome == Outcome::pass) return;
    const bool is_error = record.outcome == Outcome::crash || record.outcome == Outcome::device_lost;
    const char* kind = !is_failure(record.outcome) ? "skipped" : is_error ? "error" : "failure";
    pugi::xml_node outcome = test.append_child(kind);
    outcome.append_attribute("type") = std::string(outcome_name(record.outcome)).c_str();
    outcome.append_attribute("message") = printable(record.reason).c_str();
}

void add_suite(pugi::xml_node suites, const Report& report)
{
    pugi::xml_node suite = suites.append_child("testsuite");
    const std::string device = report.header.value("device", "no device");
    suite.append_attribute("name") = printable("gramian-conformance on " + device).c_str();
    uint32_t failures = 0;
    uint32_t errors = 0;
    uint32_t skipped = 0;
    for (const Record& record : report.records) {
        const bool is_error = record.outcome == Outcome::crash || record.outcome == Outcome::device_lost;
        errors += is_error;
        failures += is_failure(record.outcome) && !is_error;
        skipped += !is_failure(record.outcome) && record.outcome != Outcome::pass;
    }
    suite.append_attribute("tests") = static_cast<uint32_t>(report.records.size());
    suite.append_attribute("failures") = failures;
    suite.append_attribute("errors") = errors;
    suite.append_attribute("skipped") = skipped;
    pugi::xml_node properties = suite.append_child("properties");
    for (const auto& [key, value] : report.header.items()) {
        pugi::xml_node property = properties.append_child("property");
        property.append_attribute("name") = key.c_str();
        const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
        property.append_attribute("value") = printable(text).c_str();
    }
    for (const Record& record : report.records) add_case(suite, record);
}

} // namespace

void write_junit(const std::string& path, const std::vector<Report>& reports)
{
    pugi::xml_document document;
    pugi::xml_node suites = document.append_child("testsuites");
    for (const Report& report : reports) add_suite(suites, report);
    std::ostringstream text;
    document.save(text, "  ");
    write_text(path, text.str());
}

} // namespace gramian::conformance
