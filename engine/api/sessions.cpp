// The C API: sessions and their steps.
#include "api/guard.hpp"

using namespace gramian;

namespace {

/// The inputs that are no context inputs, `rows` of each.
std::vector<std::span<const float>> step_inputs(const Session& session, const float* const* inputs, uint64_t rows)
{
    require_pointer(inputs, "inputs");
    std::vector<std::span<const float>> spans;
    for (const ModelPort& port : session.model().inputs()) {
        if (port.is_context) continue;
        require_pointer(inputs[spans.size()], "an input");
        spans.emplace_back(inputs[spans.size()], rows * port.size);
    }
    return spans;
}

std::vector<std::span<float>> step_outputs(const Session& session, float* const* outputs, uint64_t rows)
{
    require_pointer(outputs, "outputs");
    std::vector<std::span<float>> spans;
    for (const ModelPort& port : session.model().outputs()) {
        require_pointer(outputs[spans.size()], "an output");
        spans.emplace_back(outputs[spans.size()], rows * port.size);
    }
    return spans;
}

SessionOptions session_options(const gramian_session_options* options)
{
    const gramian_session_options given = read_struct(options, gramian_session_options_default());
    SessionOptions chosen;
    chosen.streams = given.streams;
    chosen.verify_golden = given.verify_golden != 0;
    chosen.profile = given.profile != 0;
    chosen.starts_empty = given.starts_empty != 0;
    chosen.snapshots = given.snapshots;
    return chosen;
}

gramian_session_info info_of(const SessionLayout& layout)
{
    gramian_session_info info{};
    info.size = sizeof info;
    info.streams = layout.streams;
    info.state_bytes = layout.state_bytes();
    info.activation_bytes = layout.scratch_bytes;
    info.io_bytes = layout.io_bytes();
    info.bytes = layout.bytes();
    info.windows = layout.window_count;
    return info;
}

gramian_solve_report report_of(const SolveOutcome& outcome)
{
    return {sizeof(gramian_solve_report),
            static_cast<uint32_t>(outcome.status),
            outcome.min_pivot,
            outcome.alpha,
            outcome.retries,
            outcome.residual};
}

} // namespace

gramian_session_options gramian_session_options_default(void)
{
    gramian_session_options options{};
    options.size = sizeof options;
    options.streams = 1;
    options.verify_golden = 1;
    return options;
}

gramian_status gramian_session_create(gramian_model* model, const gramian_session_options* options,
                                      gramian_session** session)
{
    return guard([&] {
        require_pointer(model, "model");
        require_pointer(session, "session");
        *session = new gramian_session{
            model->device, model->model, std::make_unique<Session>(*model->model, session_options(options)), {}};
    });
}

gramian_status gramian_session_measure(gramian_model* model, const gramian_session_options* options,
                                       gramian_session_info* info)
{
    return guard([&] {
        require_pointer(model, "model");
        ProgramLists lists;
        const SessionLayout layout = plan_session(*model->model, session_options(options), lists);
        gramian_session_info found = info_of(layout);
        found.step_dispatches = static_cast<uint32_t>(lists.step.list.launches().size()) * layout.window_count;
        found.step_bytes_moved = lists.step.list.bytes_moved() * layout.window_count;
        write_struct(info, found);
    });
}

gramian_status gramian_session_get_info(const gramian_session* session, gramian_session_info* info)
{
    return guard([&] {
        require_pointer(session, "session");
        const Session& s = *session->session;
        gramian_session_info found = info_of(s.layout());
        found.step_dispatches = s.step_dispatches();
        found.step_bytes_moved = s.step_bytes_moved();
        found.submissions = s.submissions();
        found.joined = s.joined_count();
        write_struct(info, found);
    });
}

gramian_status gramian_session_step(gramian_session* session, const float* const* inputs, float* const* outputs)
{
    return guard([&] {
        require_pointer(session, "session");
        Session& s = *session->session;
        const auto out = step_outputs(s, outputs, s.stream_count());
        s.submit(step_inputs(s, inputs, s.stream_count()));
        s.wait(out);
    });
}

gramian_status gramian_session_submit(gramian_session* session, const float* const* inputs)
{
    return guard([&] {
        require_pointer(session, "session");
        session->session->submit(step_inputs(*session->session, inputs, session->session->stream_count()));
    });
}

gramian_status gramian_session_wait(gramian_session* session, float* const* outputs)
{
    return guard([&] {
        require_pointer(session, "session");
        Session& s = *session->session;
        s.wait(step_outputs(s, outputs, s.submitted_rows()));
    });
}

gramian_status gramian_session_step_some(gramian_session* session, const uint32_t* streams, uint32_t count,
                                         const float* const* inputs, float* const* outputs)
{
    return guard([&] {
        require_pointer(session, "session");
        Session& s = *session->session;
        const auto out = step_outputs(s, outputs, count);
        s.submit_some(stream_list(streams, count), step_inputs(s, inputs, count));
        s.wait(out);
    });
}

gramian_status gramian_session_submit_some(gramian_session* session, const uint32_t* streams, uint32_t count,
                                           const float* const* inputs)
{
    return guard([&] {
        require_pointer(session, "session");
        Session& s = *session->session;
        s.submit_some(stream_list(streams, count), step_inputs(s, inputs, count));
    });
}

gramian_status gramian_session_prefill(gramian_session* session, const uint32_t* streams, const uint32_t* counts,
                                       uint32_t stream_count, const float* const* inputs, float* const* outputs)
{
    return guard([&] {
        require_pointer(session, "session");
        if (stream_count == 0) return;
        require_pointer(counts, "counts");
        Session& s = *session->session;
        uint64_t total = 0;
        for (uint32_t i = 0; i < stream_count; ++i) total += counts[i];
        s.prefill(stream_list(streams, stream_count), {counts, stream_count}, step_inputs(s, inputs, total),
                  step_outputs(s, outputs, total));
    });
}

gramian_status gramian_session_observe(gramian_session* session, const uint32_t* streams, const uint32_t* counts,
                                       uint32_t stream_count, const float* const* inputs)
{
    return guard([&] {
        require_pointer(session, "session");
        if (stream_count == 0) return;
        require_pointer(streams, "streams");
        require_pointer(counts, "counts");
        require_pointer(inputs, "inputs");
        uint64_t total = 0;
        for (uint32_t i = 0; i < stream_count; ++i) total += counts[i];
        std::vector<std::span<const float>> spans;
        for (const ModelPort& port : session->session->model().inputs()) {
            require_pointer(inputs[spans.size()], "an input");
            spans.emplace_back(inputs[spans.size()], total * port.size);
        }
        session->session->observe({streams, stream_count}, {counts, stream_count}, spans);
    });
}

gramian_status gramian_session_solve(gramian_session* session, const uint32_t* streams, uint32_t stream_count,
                                     gramian_solve_report* reports)
{
    return guard([&] {
        require_pointer(session, "session");
        if (stream_count == 0) return;
        require_pointer(streams, "streams");
        const std::vector<SolveOutcome> outcomes = session->session->solve({streams, stream_count});
        if (!reports) return;
        for (uint32_t i = 0; i < stream_count; ++i) write_entry(reports, i, report_of(outcomes[i]));
    });
}

gramian_status gramian_session_reset(gramian_session* session, const uint32_t* streams, uint32_t stream_count)
{
    return guard([&] {
        require_pointer(session, "session");
        std::vector<uint32_t> chosen(streams, streams ? streams + stream_count : streams);
        for (uint32_t i = 0; !streams && i < session->session->stream_count(); ++i) {
            if (session->session->has_joined(i)) chosen.push_back(i);
        }
        session->session->reset(chosen);
    });
}

gramian_status gramian_session_get_reports(const gramian_session* session, uint32_t stream, gramian_tensors** reports)
{
    return guard([&] {
        require_pointer(session, "session");
        require_pointer(reports, "reports");
        *reports = new gramian_tensors{session->session->reports(stream), {}};
    });
}

gramian_status gramian_session_get_statistics(const gramian_session* session, uint32_t stream,
                                              gramian_tensors** statistics)
{
    return guard([&] {
        require_pointer(session, "session");
        require_pointer(statistics, "statistics");
        *statistics = new gramian_tensors{session->session->statistics(stream), {}};
    });
}

gramian_status gramian_session_add_statistics(gramian_session* session, uint32_t stream,
                                              const gramian_tensors* statistics, float weight)
{
    return guard([&] {
        require_pointer(session, "session");
        require_pointer(statistics, "statistics");
        session->session->add_statistics(stream, statistics->arrays, weight);
    });
}

const char* gramian_session_profile_json(gramian_session* session)
{
    if (!session) return "[]";
    const gramian_status status = guard([&] {
        Json list = Json::array();
        for (const NodeTime& time : session->session->profile()) list.push_back({{"node", time.node}, {"us", time.us}});
        session->profile = list.dump();
    });
    return status == GRAMIAN_OK ? session->profile.c_str() : "[]";
}

void gramian_session_destroy(gramian_session* session)
{
    delete session;
}
