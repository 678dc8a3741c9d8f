// The NativeActivity: runs the suite beside the user interface's thread and says in the log how it ended. All that is
// Android's is here.
#include "files_run.hpp"

#include <android/log.h>
#include <android/native_activity.h>
#include <string>
#include <thread>

extern "C" __attribute__((visibility("default"))) void ANativeActivity_onCreate(ANativeActivity* activity, void*,
                                                                                size_t)
{
    static bool is_running = false; // turning the phone creates the activity anew
    if (is_running) return;
    is_running = true;
    const std::string folder = activity->externalDataPath;
    std::thread([folder] {
        const int status = gramian::conformance::run_into(folder);
        __android_log_print(status == 0 ? ANDROID_LOG_INFO : ANDROID_LOG_ERROR, "gramian",
                            "conformance ended with %d; reports are in %s", status, folder.c_str());
    }).detach();
}
