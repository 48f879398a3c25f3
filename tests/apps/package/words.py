OPTION = "+added=1"
