# What `cmake --install` puts in place: the library, its two headers, and the package that find_package(gramian) reads.
include(CMakePackageConfigHelpers)

# gramian_core is linked into the library and stays inside it: nothing of it is exported.
install(TARGETS gramian EXPORT gramianTargets
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
    RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES ${CMAKE_CURRENT_LIST_DIR}/include/gramian/gramian.h ${CMAKE_CURRENT_LIST_DIR}/include/gramian/gramian.hpp
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/gramian)

set(package_directory ${CMAKE_INSTALL_LIBDIR}/cmake/gramian)
# The library needs nothing at link time, so the exported targets are the whole package.
install(EXPORT gramianTargets NAMESPACE gramian:: FILE gramianConfig.cmake DESTINATION ${package_directory})
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/gramianConfigVersion.cmake
    VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/gramianConfigVersion.cmake DESTINATION ${package_directory})
