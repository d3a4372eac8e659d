add_fprime_subdirectory("${CMAKE_CURRENT_LIST_DIR}/Thermometer")
